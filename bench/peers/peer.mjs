/** A peer program in a process of its own, spoken to in JSON lines. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export class Peer {
  /**
   * @param program - what runs the script; Node itself by default
   * @param env - variables besides those of this process
   */
  constructor(name, script, { program = process.execPath, env = {} } = {}) {
    this.name = name;
    const file = fileURLToPath(new URL(script, import.meta.url));
    this.child = spawn(program, [file], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask(request) {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.name} ended`);
    const { result, error } = JSON.parse(value);
    if (error) throw new Error(`${this.name}: ${error}`);
    return result;
  }

  async quit() {
    const exit = once(this.child, "exit");
    this.child.stdin.end('{"command":"quit"}\n');
    await exit;
  }
}
