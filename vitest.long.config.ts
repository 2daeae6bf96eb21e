import { defineConfig } from "vitest/config";

// Heavy checks, outside the everyday run: `npm run test:long`.
export default defineConfig({
  test: {
    include: ["test/long/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
  },
});
