/**
 * How likely is a continuation? Log-likelihoods of given texts, in nats.
 *
 *     npx tsx examples/02-score.ts
 */
import { open } from "philab";

// Mode `reference`: 32-bit weights and exact operations, for numbers that go into a table.
await using phi = await open("phi-micro", { mode: "reference" });

const prompt = "When Mary and John went to the store, John gave a book to";
const names = [" Mary", " John"];

// All continuations are computed in one pass over the shared prompt.
const scores = await phi.score(prompt, names);
scores.forEach(({ logprob, isGreedy }, i) => {
  console.log(`${names[i]}  ${logprob.toFixed(4)}${isGreedy ? "  (the likeliest)" : ""}`);
});

const [giver, receiver] = [scores[1]?.logprob ?? NaN, scores[0]?.logprob ?? NaN];
console.log(`The one who receives is ${Math.exp(receiver - giver).toFixed(0)} times as likely.`);
