/** Programs that edit a file in place, most of them by way of another file. */
import { type Program, RIGHT, testPrograms, WRONG } from "./program.ts";
import { onTerminal } from "./terminal.ts";

/** No terminal, no start file; swap and backup files are in the directory of the file, even where that is in /tmp. */
function vim(settings: string, commands: string, file: string): string {
  return `vim -Nu NONE -T dumb --not-a-term -c 'set dir=. bdir=. bsk= ${settings}' ${
    commands.split("|").map((command) => `-c '${command}'`).join(" ")
  } -c wq ${file} < /dev/null > /dev/null`;
}

/** Corrects WRONG and saves, also in /tmp with a backup. */
function emacs(settings: string, file: string): string {
  return `emacs -Q --batch ${file} --eval '(progn
    (setq backup-inhibited nil backup-enable-predicate (lambda (_) t)) ${settings}
    (search-forward "wrong") (replace-match "right") (save-buffer))' 2> /dev/null`;
}

const FIX = "%s/wrong/right/";
const CTRL_K = "\v";
const CTRL_O = "\x0f";
const CTRL_X = "\x18";

const PROGRAMS: readonly Program[] = [
  { name: "sed", before: WRONG, command: "sed -i s/wrong/right/ pending/sed" },
  {
    name: "sed-backup",
    before: WRONG,
    command: "sed -i~ s/wrong/right/ pending/sed-backup",
    leaves: ["sed-backup~"],
  },
  {
    name: "perl",
    needs: ["perl"],
    before: WRONG,
    command: "perl -pi -e s/wrong/right/ pending/perl",
  },
  {
    name: "perl-backup",
    needs: ["perl"],
    before: WRONG,
    command: "perl -pi~ -e s/wrong/right/ pending/perl-backup",
    leaves: ["perl-backup~"],
  },
  {
    name: "python",
    needs: ["python3"],
    before: WRONG,
    command: `python3 - <<END
import os, tempfile
with tempfile.NamedTemporaryFile("w", dir="pending", delete=False) as temporary:
    temporary.write(open("../right").read())
os.replace(temporary.name, "pending/python")
END`,
  },
  {
    name: "python-new",
    needs: ["python3"],
    command: `python3 - <<END
import shutil
shutil.copy2("../right", "pending/python-new")
END`,
  },
  {
    name: "ed",
    needs: ["ed"],
    before: WRONG,
    command: "printf '%s\\n' ,s/wrong/right/ w q | ed -s pending/ed",
  },
  {
    name: "ed-new",
    needs: ["ed"],
    command: "printf '%s\\n' 'r ../right' w q | ed -s pending/ed-new 2> /dev/null",
    lastCall: "close",
  },
  ...["yes", "no", "auto"].map((backupcopy) => ({
    name: `vim-copy-${backupcopy}`,
    needs: ["vim"],
    before: WRONG,
    command: vim(`backupcopy=${backupcopy}`, FIX, `pending/vim-copy-${backupcopy}`),
  })),
  ...["yes", "no"].map((backupcopy) => ({
    name: `vim-backup-${backupcopy}`,
    needs: ["vim"],
    before: WRONG,
    command: vim(`backup backupcopy=${backupcopy}`, FIX, `pending/vim-backup-${backupcopy}`),
    leaves: [`vim-backup-${backupcopy}~`],
  })),
  {
    name: "vim-plain",
    needs: ["vim"],
    before: WRONG,
    command: vim("nowritebackup noswapfile", FIX, "pending/vim-plain"),
  },
  {
    name: "vim-new",
    needs: ["vim"],
    command: vim("", "0r ../right|$d", "pending/vim-new"),
  },
  {
    name: "vim-many-writes",
    needs: ["vim"],
    before: "#\n",
    command: vim("", `w|w|0r ../right|w|$d`, "pending/vim-many-writes"),
  },
  {
    name: "vim-ex",
    needs: ["vim"],
    before: WRONG,
    command: `printf '%s\\n' ${FIX} wq | vim -Nu NONE -es pending/vim-ex`,
  },
  {
    name: "nano",
    needs: ["nano", "script"],
    before: WRONG,
    command: (qj) =>
      onTerminal("nano --ignorercfiles pending/nano", qj.mountpoint, [
        ["GNU nano", CTRL_K + RIGHT.trimEnd()],
        ["right", CTRL_O],
        ["Write", "\r"],
        ["Wrote", CTRL_X],
      ]),
  },
  {
    name: "nano-backup",
    needs: ["nano", "script"],
    before: WRONG,
    command: (qj) =>
      onTerminal("nano --ignorercfiles --backup --locking pending/nano-backup", qj.mountpoint, [
        ["GNU nano", CTRL_K + RIGHT.trimEnd()],
        ["right", CTRL_O],
        ["Write", "\r"],
        ["Wrote", CTRL_X],
      ]),
    leaves: ["nano-backup~"],
  },
  {
    name: "emacs",
    needs: ["emacs"],
    isOptional: true,
    before: WRONG,
    command: emacs("", "pending/emacs"),
    leaves: ["emacs~"],
  },
  {
    name: "emacs-precious",
    needs: ["emacs"],
    isOptional: true,
    before: WRONG,
    command: emacs("(setq file-precious-flag t)", "pending/emacs-precious"),
    leaves: ["emacs-precious~"],
  },
  {
    name: "emacs-copying",
    needs: ["emacs"],
    isOptional: true,
    before: WRONG,
    command: emacs("(setq backup-by-copying t)", "pending/emacs-copying"),
    leaves: ["emacs-copying~"],
  },
];

testPrograms("editors", PROGRAMS);
