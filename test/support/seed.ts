import fc from "fast-check";

// One seed for all properties: a run of the everyday suite says the same thing twice.
// `PHILAB_TEST_SEED=random` looks further afield, and any number replays what it found.
const seed = process.env["PHILAB_TEST_SEED"] ?? "27";
if (seed !== "random") fc.configureGlobal({ seed: Number(seed) });
