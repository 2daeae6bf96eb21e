/**
 * What stands between a program and the machine. Node's permission flags close files, processes, workers and native code
 * for the child; bubblewrap, where it is there and allowed, gives it namespaces of its own: no network, no other
 * processes, only the files that are named.
 */
import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import path from "node:path";

export interface Confinement {
  /** The command line, confined. */
  command: string[];
  layers: string[];
}

/** System folders that programs need to start: their libraries and the linker's table. */
const SYSTEM_FOLDERS = ["/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"];

let bubblewrap: { works: boolean } | undefined;

/** Whether bubblewrap is there and the system lets it make namespaces; asked once for a process. */
export function hasBubblewrap(): boolean {
  bubblewrap ??= { works: process.platform === "linux" && tryBubblewrap() };
  return bubblewrap.works;
}

function tryBubblewrap(): boolean {
  const [command = "", ...args] = bubblewrapArguments([]);
  return spawnSync(command, [...args, "true"], { stdio: "ignore", timeout: 10_000 }).status === 0;
}

/** `bwrap …` up to the command that it confines, which reads `readable` and the system's folders, nothing else. */
export function bubblewrapArguments(readable: readonly string[]): string[] {
  const folders = [...SYSTEM_FOLDERS, ...readable];
  return [
    "bwrap",
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--clearenv",
    ...folders.flatMap((folder) => ["--ro-bind-try", folder, folder]),
    ...["--proc", "/proc", "--dev", "/dev", "--chdir", "/"],
  ];
}

/** Node with a script as text, which may read the folder `readable` and nothing else. */
export function confineNode(script: string, readable: string): Confinement {
  const node = realpathSync(process.execPath);
  const folder = realpathSync(readable);
  const command = [
    node,
    process.allowedNodeEnvironmentFlags.has("--permission")
      ? "--permission"
      : "--experimental-permission",
    `--allow-fs-read=${folder}${path.sep}*`,
    "--no-warnings",
    "--max-old-space-size=256",
    "--input-type=module",
    "--eval",
    script,
  ];
  const layers = ["WebAssembly", "a process with an empty environment", "Node's permission flags"];
  if (!hasBubblewrap()) return { command, layers };
  const outer = bubblewrapArguments([...nodeFolders(node), folder]);
  return {
    command: [...outer, ...command],
    layers: [...layers, "bubblewrap: no network, no other files"],
  };
}

/** The folder of a Node that is not among the system's. */
function nodeFolders(node: string): string[] {
  const prefix = path.dirname(path.dirname(node));
  return SYSTEM_FOLDERS.some((folder) => node.startsWith(`${folder}/`)) || !existsSync(prefix)
    ? []
    : [prefix];
}
