import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { escapeHtml, html, jsonScript, trusted } from "./html.ts";

describe("an html template", () => {
  test("escapes what is put into it, in text and in attributes", () => {
    const evil = `<img src=x onerror="alert('1')">&`;
    expect(html`<p title="${evil}">${evil}</p>`.text).toBe(
      `<p title="${escapeHtml(evil)}">${escapeHtml(evil)}</p>`,
    );
    expect(escapeHtml(evil)).not.toMatch(/[<>"']/);
  });

  test("keeps markup, joins lists, leaves out what is false or undefined", () => {
    const items = ["a<", 1].map((item) => html`<b>${item}</b>`);
    const shown = html`<i>${items}${false}${undefined}${trusted("<br>")}${[["x"]]}</i>`;
    expect(shown.text).toBe("<i><b>a&#60;</b><b>1</b><br>x</i>");
  });

  test("makes control characters and overrides visible", () => {
    expect(html`${"a\u001b[31m\u202eb"}`.text).toBe("a␛[31m�b");
  });

  test("leaves no character that could begin a tag or end an attribute, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(escapeHtml(text)).not.toMatch(/[<>"'`\0]/);
      }),
    );
  });
});

describe("JSON in a page", () => {
  test("cannot close its script, and reads back as it was", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ noUnicodeString: false }),
        fc.constantFrom("", "</script>", "<!--", "\u2028"),
        (value, text) => {
          const { text: script } = jsonScript([value, text]);
          const json = script.slice('<script type="application/json">'.length, -"</script>".length);
          expect(json).not.toMatch(/[<>&]/);
          expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify([value, text])));
        },
      ),
    );
  });
});
