/**
 * What a page does in a browser, when it may run a script: it follows changes, the end of a log, and the time. Every page
 * works without. The functions here are not called by the daemon: {@linkcode clientScript} is the text of them.
 *
 * A page is changed by asking for it again and taking over what differs, element by element, so that what one has
 * selected, typed, opened or scrolled to stays as it is.
 */
/// <reference lib="dom" />

function client(): void {
  /** Between two looks at a daemon that does not answer, in ms. */
  const RETRY_MS = 2000;
  /** As in format.ts. */
  const FAR_MS = 30 * 86_400_000;
  /** A log that is longer than so many pieces loses its beginning. */
  const MAX_PIECES = 20_000;
  const main = document.querySelector<HTMLElement>("main")!;
  const offline = document.getElementById("offline")!;

  // Time ------------------------------------------------------------------------------------------------------

  /** How far the clock of the daemon is ahead of ours, in ms. */
  let aheadMs = Number(document.body.dataset.now) - Date.now();
  const now = () => Date.now() + aheadMs;

  function duration(ms: number): string {
    const sec = Math.max(0, Math.floor(ms / 1000));
    const two = (n: number) => String(n).padStart(2, "0");
    if (sec < 60) return `${sec} s`;
    if (sec < 3600) return `${Math.floor(sec / 60)} min ${two(sec % 60)} s`;
    if (sec < 86_400) return `${Math.floor(sec / 3600)} h ${two(Math.floor(sec / 60) % 60)} min`;
    return `${Math.floor(sec / 86_400)} d ${Math.floor(sec / 3600) % 24} h`;
  }

  function setText(element: Element, text: string): void {
    if (element.textContent !== text) element.textContent = text;
  }

  function tellTime(): void {
    for (const element of document.querySelectorAll<HTMLElement>("time[data-ms]")) {
      const ms = Number(element.dataset.ms) - now();
      if (Math.abs(ms) > FAR_MS) continue; // it has its date
      setText(element, ms > 0 ? `in ${duration(ms + 999)}` : `${duration(-ms)} ago`);
    }
    for (const element of document.querySelectorAll<HTMLElement>("[data-since]")) {
      setText(element, duration(now() - Number(element.dataset.since)));
    }
    for (const element of document.querySelectorAll<HTMLProgressElement>("progress[data-from]")) {
      const sec = (now() - Number(element.dataset.from)) / 1000;
      element.value = Math.min(element.max, Math.max(0, sec));
    }
  }
  setInterval(() => document.hidden || tellTime(), 1000);
  tellTime();

  // Changes ---------------------------------------------------------------------------------------------------

  const isKept = (element: Element) => element.hasAttribute("data-keep");
  const isForm = (element: Element) => /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);

  function sameKind(one: Node, other: Node): boolean {
    if (one.nodeType !== other.nodeType || one.nodeName !== other.nodeName) return false;
    return !(one instanceof Element) || one.id === (other as Element).id;
  }

  /** Makes `old` what `fresh` is. What a user has typed, checked or opened stays. */
  function takeOver(old: Element, fresh: Element): void {
    if (isKept(old)) return;
    for (const { name, value } of Array.from(fresh.attributes)) {
      if (old.tagName === "DETAILS" && name === "open") continue;
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of Array.from(old.attributes)) {
      if (old.tagName === "DETAILS" && name === "open") continue;
      if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    if (old instanceof HTMLInputElement && old.type === "hidden") {
      old.value = fresh.getAttribute("value") ?? "";
    }
    if (old instanceof HTMLSelectElement) {
      const { value } = old;
      takeOverChildren(old, fresh);
      old.value = value;
    } else if (!isForm(old)) takeOverChildren(old, fresh);
  }

  function takeOverChildren(old: Element, fresh: Element): void {
    const byId = new Map<string, Element>();
    for (const child of Array.from(old.children)) if (child.id !== "") byId.set(child.id, child);
    // First what goes, so that what stays is not moved: it would lose the focus.
    const stays = new Set(Array.from(fresh.children, ({ id }) => id));
    for (const [id, child] of byId) if (!stays.has(id)) child.remove();
    let at: ChildNode | null = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const found = child instanceof Element && child.id !== "" ? byId.get(child.id) : undefined;
      if (found !== undefined) {
        if (found === at) at = at.nextSibling;
        else old.insertBefore(found, at);
        takeOver(found, child as Element);
      } else if (at !== null && sameKind(at, child)) {
        if (child instanceof Element) takeOver(at as Element, child);
        else if (at.nodeValue !== child.nodeValue) at.nodeValue = child.nodeValue;
        at = at.nextSibling;
      } else {
        old.insertBefore(document.importNode(child, true), at);
      }
    }
    while (at !== null) {
      const next: ChildNode | null = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  let asking: Promise<void> | null = null;
  let isStale = false;

  async function ask(): Promise<void> {
    const headers = { accept: "text/html", "x-qj-update": "1" };
    const answer = await fetch(location.href, { headers });
    if (isLeaving) return;
    // Signed out, or the job is gone: the page says so. After any other trouble this one stays, and asks again later.
    if (answer.status === 401 || answer.status === 404 || answer.redirected) {
      return location.reload();
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const freshMain = fresh.querySelector("main");
    const header = fresh.querySelector("header");
    if (freshMain === null || header === null) return;
    aheadMs = Number(fresh.body.dataset.now) - Date.now();
    document.body.dataset.version = fresh.body.dataset.version;
    document.title = fresh.title;
    takeOver(document.querySelector("header")!, header);
    takeOver(main, freshMain);
    tellTime();
    countChecked();
  }

  /** A form was sent: its answer is what comes next. */
  let isLeaving = false;
  document.addEventListener("submit", () => {
    isLeaving = true;
    // The user may have stopped it.
    setTimeout(() => isLeaving = false, 10 * RETRY_MS);
  });
  addEventListener("pageshow", () => isLeaving = false);

  /** Asks for the page again, and once more if it changes meanwhile. */
  function refresh(): void {
    if (isLeaving) return;
    isStale = true;
    asking ??= (async () => {
      while (isStale) {
        isStale = false;
        await ask();
      }
    })().catch(() => void setTimeout(refresh, RETRY_MS)).finally(() => asking = null);
  }

  // The stream of events ----------------------------------------------------------------------------------------

  let source: EventSource | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;

  /** One for each page, since a browser opens few connections to one server; and none while nobody looks. */
  function open(): void {
    const path = main.dataset.live;
    if (path === undefined || source !== null || document.hidden) return;
    const end = document.getElementById("log")?.dataset.end;
    const opened = new EventSource(end === undefined ? path : `${path}?from=${end}`);
    source = opened;
    opened.onopen = () => offline.hidden = true;
    opened.onerror = () => {
      offline.hidden = false;
      if (source !== opened || opened.readyState !== EventSource.CLOSED) return;
      // A browser gives up when a proxy answers for a daemon that is not there, and when the job is, or the token.
      close();
      refresh();
      retry = setTimeout(open, RETRY_MS);
    };
    opened.addEventListener("version", ({ data }) => {
      if (data !== document.body.dataset.version) refresh();
    });
    opened.addEventListener("log", ({ data }) => appendLog(data));
  }

  function close(): void {
    clearTimeout(retry);
    source?.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());

  // The log ---------------------------------------------------------------------------------------------------

  const log = document.getElementById("log");
  const followButton = document.getElementById("follow");
  let isAtEnd = true;

  function toEnd(): void {
    if (log !== null) log.scrollTop = log.scrollHeight;
  }

  log?.addEventListener("scroll", () => {
    isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 16;
    followButton!.hidden = isAtEnd;
  });
  followButton?.addEventListener("click", () => {
    toEnd();
    log!.focus();
  });

  function appendLog(data: string): void {
    if (log === null) return;
    const { pieces, end } = JSON.parse(data) as { pieces: [string, string][]; end: number };
    if (Number(log.dataset.end) >= end) return;
    const wasAtEnd = isAtEnd;
    for (const [text, classes] of pieces) {
      const span = document.createElement("span");
      if (classes !== "") span.className = classes;
      span.textContent = text;
      log.append(span);
    }
    log.dataset.end = String(end);
    const empty = document.getElementById("log-empty");
    if (empty !== null) empty.hidden = true;
    if (!wasAtEnd) return;
    // Only then, since it would move what somebody reads.
    while (log.childNodes.length > MAX_PIECES) log.firstChild!.remove();
    toEnd();
  }

  toEnd();
  open();

  // Forms -----------------------------------------------------------------------------------------------------

  function countChecked(): void {
    for (const form of document.querySelectorAll<HTMLFormElement>("form.bulk")) {
      const boxes = [...form.querySelectorAll<HTMLInputElement>("input[name=job]")];
      const all = form.querySelector<HTMLInputElement>("input.all");
      if (all === null) continue;
      const checked = boxes.filter((box) => box.checked).length;
      all.hidden = false;
      all.checked = checked > 0 && checked === boxes.length;
      all.indeterminate = checked > 0 && checked < boxes.length;
    }
  }

  document.addEventListener("change", ({ target }) => {
    if (!(target instanceof HTMLInputElement)) return;
    if (target.classList.contains("all")) {
      const form = target.closest("form.bulk")!;
      for (const box of form.querySelectorAll<HTMLInputElement>("input[name=job]")) {
        box.checked = target.checked;
      }
    }
    countChecked();
  });
  countChecked();
}

/** The text of the script of all pages. */
export function clientScript(): string {
  return `(${client.toString()})();\n`;
}
