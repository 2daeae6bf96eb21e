/** A disk that is soon full, for tests of what happens then. */
import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";

/** Runs `use` with a file system of `sizeBytes` mounted at `path`; gives false where this machine does not allow it. */
export async function withSmallDisk(
  path: string,
  sizeBytes: number,
  use: () => Promise<void>,
): Promise<boolean> {
  await mkdir(path);
  const args = ["-t", "tmpfs", "-o", `size=${sizeBytes}`, "tmpfs", path];
  if (run("/bin/mount", args) !== 0) return false;
  try {
    await use();
  } finally {
    run("/bin/umount", [path]);
  }
  return true;
}

function run(command: string, args: string[]): number | null {
  return spawnSync(command, args, { stdio: "ignore" }).status;
}
