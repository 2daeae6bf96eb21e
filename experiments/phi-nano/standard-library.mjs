/** Short pieces of Python's standard library (PSF licence), from the copy inside Pyodide: functions with docstrings, and what modules say of themselves. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { inflateRawSync } from "node:zlib";
import { Random } from "../../dist/base/random.js";

const LEFT_OUT = /(^|\/)(test|tests|idlelib|lib2to3|pydoc_data|encodings|_pyrepl|site-packages)\//;
const [SHORTEST, LONGEST] = [60, 420];

/** @returns documents `{text, source, licence, topic}`, in the order of files, up to as many characters */
export async function standardLibrary({ characters }) {
  const folder = path.dirname(createRequire(import.meta.url).resolve("pyodide"));
  const files = unzip(await readFile(path.join(folder, "python_stdlib.zip")));
  const pieces = files
    .filter(({ name }) => name.endsWith(".py") && !LEFT_OUT.test(name))
    .flatMap(({ name, text }) => [...modulePieces(name, text), ...functionPieces(name, text)]);
  const documents = [];
  let total = 0;
  for (const piece of pieces) {
    if (total >= characters) break;
    total += piece.text.length;
    documents.push(piece);
  }
  // Neighbours in a file are alike.
  return [...new Random(0).permutation(documents.length)].map((i) => documents[i]);
}

const piece = (name, text) => ({ text, source: `cpython/${name}`, licence: "PSF-2.0" });
const fits = (text) =>
  text.length >= SHORTEST && text.length <= LONGEST && /^[\x20-\x7e\n]*$/.test(text);

/** Paragraphs of a module's docstring. */
function modulePieces(name, text) {
  const docstring = /^(?:#.*\n|\s)*r?"""([^]*?)"""/.exec(text)?.[1] ?? "";
  return docstring
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim())
    .filter((paragraph) => fits(paragraph) && /^[A-Z].*[.:]$/s.test(paragraph))
    .map((paragraph) => piece(name, paragraph));
}

/** Functions at the top of a module, where a docstring says what they do. */
function functionPieces(name, text) {
  return text
    .split(/\n(?=[A-Za-z_@#])/)
    .filter((block) => /^def \w+\([^]*?\):\n {4}r?"""/.test(block))
    .map((block) => block.trimEnd())
    .filter(fits)
    .map((block) => piece(name, `${block}\n`));
}

/** The files of a zip archive, from its central directory (APPNOTE 4.3.12). */
function unzip(bytes) {
  const end = bytes.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  let at = bytes.readUInt32LE(end + 16);
  return Array.from({ length: bytes.readUInt16LE(end + 10) }, () => {
    const [method, size] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20)];
    const nameLength = bytes.readUInt16LE(at + 28);
    const local = bytes.readUInt32LE(at + 42);
    const name = bytes.toString("utf8", at + 46, at + 46 + nameLength);
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const data = bytes.subarray(start, start + size);
    return { name, text: (method === 8 ? inflateRawSync(data) : data).toString("utf8") };
  });
}
