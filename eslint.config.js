import js from "@eslint/js";
import prettier from "eslint-config-prettier";
import svelte from "eslint-plugin-svelte";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", "coverage/", "reference/", "docs/reference/"] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  ...svelte.configs.recommended,
  {
    languageOptions: {
      parserOptions: {
        project: ["./tsconfig.test.json", "./studio/tsconfig.json"],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "no-restricted-exports": ["error", { restrictDefaultExports: { direct: true } }],
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/restrict-template-expressions": "off",
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_" },
      ],
      eqeqeq: "error",
      // Terminals are spoken to in control characters, and defended against them.
      "no-control-regex": "off",
    },
  },
  {
    files: ["**/*.config.ts", "*.config.js"],
    rules: { "no-restricted-exports": "off" },
  },
  {
    // svelte-check has the types of components.
    files: ["**/*.svelte", "**/*.svelte.ts"],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: {
      parserOptions: { parser: tseslint.parser, project: null },
    },
    rules: {
      ...tseslint.configs.disableTypeChecked.rules,
      "@typescript-eslint/switch-exhaustiveness-check": "off",
      "svelte/prefer-const": "off",
      "prefer-const": "off",
      "no-undef": "off",
    },
  },
  {
    files: ["**/*.js", "**/*.mjs"],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: {
      ...tseslint.configs.disableTypeChecked.languageOptions,
      // What the plain scripts use of Node's globals.
      globals: Object.fromEntries(
        ["Buffer", "URL", "console", "performance", "process", "setTimeout"].map((name) => [
          name,
          "readonly",
        ]),
      ),
    },
  },
  prettier,
  ...svelte.configs.prettier,
);
