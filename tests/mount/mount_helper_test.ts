/**
 * qj as a mount helper: mount(8), fstab, umount(8). In a mount namespace of its own, since mount(8) looks for `qj` in the
 * system's folders. Everything that looks at the mount has to be in the namespace too, so each test is one script.
 */
import assert from "node:assert/strict";
import { qjCommand } from "./qj.ts";

const isRoot = Deno.uid() === 0;
if (!isRoot) {
  const reason = "mount helper: skipped, since only root may make a mount namespace\n";
  Deno.stderr.writeSync(new TextEncoder().encode(reason));
}

const PREPARE = `
  set -u
  cd "$1"; mkdir -m 700 state mnt usual
  # What is there stays reachable: deno may be.
  mount --bind /usr/local/bin usual; mount -t tmpfs tmpfs /usr/local/bin
  for file in usual/*; do ln -s "$PWD/$file" /usr/local/bin/; done
  mv -f qj /usr/local/bin/
  trap 'umount -l "$PWD/mnt" 2> /dev/null' EXIT
  pid() { cat state/state.db.lock; }
  # The daemon ends a moment after its mount.
  gone() { while kill -0 "$1" 2> /dev/null; do sleep 0.05; done; }
  in_state() { until [ -e "mnt/$1/$2" ]; do sleep 0.05; done; cat "mnt/$1/$2"; }`;

/** Runs a script with a folder as its directory, and gives what it printed, errors too. */
async function inNamespace(script: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "qj-test-" });
  try {
    const [program, args] = qjCommand([]);
    const command = [program, ...args].map((word) => `'${word}'`).join(" ");
    await Deno.writeTextFile(`${folder}/qj`, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
    const { stdout } = await new Deno.Command("unshare", {
      args: [
        "--mount",
        "timeout",
        "60",
        "sh",
        "-c",
        `exec 2>&1; ${PREPARE}\n${script}`,
        "sh",
        folder,
      ],
      stdin: "null",
      stderr: "inherit",
    }).output();
    return new TextDecoder().decode(stdout).replaceAll(folder, "FOLDER");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function helperTest(name: string, script: string, expected: string | RegExp): void {
  Deno.test({
    name: `mount helper: ${name}`,
    ignore: !isRoot,
    fn: async () => {
      const printed = await inNamespace(script);
      if (typeof expected === "string") assert.equal(printed, expected);
      else assert.match(printed, expected);
    },
  });
}

helperTest(
  "mount returns when the mount is ready, and keeps nothing of the caller's open",
  `exec 7> held
   mount -t fuse.qj "$PWD/state/state.db" "$PWD/mnt" -o nofail,_netdev,x-systemd.automount | cat
   findmnt -n -o SOURCE,FSTYPE mnt | tr -s ' '
   echo 'echo hello' > mnt/pending/1; in_state complete 1
   daemon=$(pid); ps -o sid=,tty= $daemon | tr -d ' ' | sed "s/^$daemon/own session /"
   readlink /proc/$daemon/cwd /proc/$daemon/fd/0
   ls -l /proc/$daemon/fd | grep -c held
   umount mnt; echo "umount: $?"; gone $daemon; ls mnt`,
  "FOLDER/state/state.db fuse.qj\n>>> echo hello\nhello\nown session ?\n/\n/dev/null\n0\numount: 0\n",
);

helperTest(
  "a line of fstab, mount -a twice, and the jobs of before",
  `echo "$PWD/state/state.db $PWD/mnt fuse.qj defaults,nofail,log_level=debug 0 0" > fstab
   mount -T fstab "$PWD/mnt"; echo "mount: $?"
   echo 'echo 1' > mnt/pending/.draft
   mount -T fstab -a; echo "again: $?"; findmnt -n mnt | wc -l
   daemon=$(pid); umount mnt; gone $daemon
   env -i mount -T fstab -a; echo "all: $?"; ls -A mnt/pending
   daemon=$(pid); umount mnt; gone $daemon`,
  "mount: 0\nagain: 0\n1\nall: 0\n.draft\n",
);

helperTest(
  "mount says what is wrong, and leaves nothing behind",
  `file=$PWD/state/state.db
   for options in ro bogus=1 state_file= run_as=me; do
     mount -t fuse.qj qj "$PWD/mnt" -o "state_file=$file,$options"; echo "$options: $?"
   done
   mount -t fuse.qj "$PWD/mnt/x" "$PWD/mnt"; echo "inside: $?"
   mount -t fuse.qj "$file" "$PWD/no" > /dev/null 2>&1; [ $? -ne 0 ] && echo "no mountpoint"
   touch mnt/file; mount -t fuse.qj "$file" "$PWD/mnt"; echo "not empty: $?"
   findmnt mnt; ls state`,
  `qj: -o ro: a queue is written to, so it cannot be mounted read-only
ro: 2
qj: -o "bogus=1": there is no such option, see MOUNTING FROM FSTAB in qj(1)
bogus=1: 2
qj: -o "state_file=": a path is missing
state_file=: 2
qj: -o "run_as=me": the only value is owner
run_as=me: 2
qj: cannot open state file "FOLDER/mnt/x" (SOURCE): it is inside the mountpoint, where it could not be reached once qj is mounted
inside: 1
no mountpoint
qj: mountpoint "FOLDER/mnt" is not empty: use an empty directory
not empty: 1
`,
);

helperTest(
  "a second mount of a state file, and of a mountpoint",
  `mkdir other; mount -t fuse.qj "$PWD/state/state.db" "$PWD/mnt"
   mount -t fuse.qj "$PWD/state/state.db" "$PWD/other" 2>&1 | sed "s/$(pid)/PID/"
   mount -t fuse.qj "$PWD/state/other.db" "$PWD/mnt"
   daemon=$(pid); umount mnt; gone $daemon`,
  `qj: cannot open state file "FOLDER/state/state.db" (SOURCE): another qj uses it (pid PID)
qj: mountpoint "FOLDER/mnt" is in use: qj is mounted there already. To end it: umount "FOLDER/mnt"
`,
);

helperTest(
  "-f stays in the foreground",
  `qj qj "$PWD/mnt" -f -o "state_file=$PWD/state/state.db" 2> log & daemon=$!
   until findmnt -n -o SOURCE mnt; do sleep 0.05; done
   umount mnt; wait $daemon; echo "ended: $?"; grep -c mounted log`,
  "qj\nended: 0\n1\n",
);
