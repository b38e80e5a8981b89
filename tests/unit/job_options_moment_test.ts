/** The moments of `#QJ at=`, in zones that they name and in that of the process. */
import assert from "node:assert/strict";
import { parseMoment } from "../../store/job_options.ts";

const UTC: Readonly<Record<string, string>> = {
  "2027-01-01T03:00Z": "2027-01-01T03:00:00.000Z",
  "2027-01-01T03:00:59Z": "2027-01-01T03:00:59.000Z",
  "2027-01-01T03:00:00.5Z": "2027-01-01T03:00:00.500Z",
  "2027-01-01T03:00:00.001Z": "2027-01-01T03:00:00.001Z",
  "2027-01-01T03:00:00.0010000Z": "2027-01-01T03:00:00.001Z",
  "2027-01-01T03:00:00.000000001Z": "2027-01-01T03:00:00.001Z",
  "2026-12-31T23:59:59.9991Z": "2027-01-01T00:00:00.000Z",
  "2027-01-01T03:00+02:00": "2027-01-01T01:00:00.000Z",
  "2027-01-01T03:00+0200": "2027-01-01T01:00:00.000Z",
  "2027-01-01T03:00+02": "2027-01-01T01:00:00.000Z",
  "2027-01-01T00:00+05:45": "2026-12-31T18:15:00.000Z",
  "2026-12-31T23:30-03:30": "2027-01-01T03:00:00.000Z",
  "2027-01-01T00:00-23:59": "2027-01-01T23:59:00.000Z",
  "2027-01-01T00:00-00:00": "2027-01-01T00:00:00.000Z",
  "2028-02-29T12:00Z": "2028-02-29T12:00:00.000Z",
  "2000-02-29T12:00Z": "2000-02-29T12:00:00.000Z",
  "0001-01-01T00:00Z": "0001-01-01T00:00:00.000Z",
  "9999-12-31T23:59:59Z": "9999-12-31T23:59:59.000Z",
};

for (const [text, iso] of Object.entries(UTC)) {
  Deno.test(`parseMoment() of ${text}`, () => {
    assert.equal(new Date(parseMoment(text)).toISOString(), iso);
  });
}

Deno.test("parseMoment() keeps every millisecond", () => {
  const second = Date.UTC(2027, 0, 1);
  for (let ms = 0; ms < 1000; ms++) {
    const text = `2027-01-01T00:00:00.${String(ms).padStart(3, "0")}Z`;
    assert.equal(parseMoment(text), second + ms);
  }
});

const NO_TIME = [
  ...["2027-02-29", "2100-02-29", "2027-04-31", "2027-00-01", "2027-13-01", "2027-01-00"],
  ...["2027-01-32", "2027-01-01T24:00", "2027-01-01T23:60", "2026-12-31T23:59:60Z"],
];
for (const text of NO_TIME) {
  Deno.test(`parseMoment() refuses ${text}, which does not exist`, () => {
    assert.throws(() => parseMoment(text), /is no time that exists/);
  });
}

for (const text of ["2027-01-01T03:00+24:00", "2027-01-01T03:00+01:60"]) {
  Deno.test(`parseMoment() refuses the zone of ${text}`, () => {
    assert.throws(() => parseMoment(text), /has no zone that exists/);
  });
}

const NO_FORM = [
  ...["", "tomorrow", "2027", "2027-01", "27-01-01", "2027-1-1", "20270101", "2027-01-01T3:00"],
  ...[
    "2027-01-01T03",
    "2027-01-01T0300",
    "2027-01-01 03:00",
    "2027-01-01t03:00",
    "03:00",
    "@1800000000",
  ],
  ...[
    "2027-01-01Z",
    "2027-01-01+02:00",
    "2027-01-01T03:00z",
    "2027-01-01T03:00 Z",
    "2027-01-01T03:00CET",
  ],
  ...[
    "2027-01-01T03:00+2",
    "2027-01-01T03:00+2:00",
    "2027-01-01T03:00:00.Z",
    "2027-01-01T03:00:00,5Z",
  ],
  ...[
    "2027-01-01T03:00:00.0000000001Z",
    "-2027-01-01",
    "+002027-01-01",
    "2027-01-01T",
    " 2027-01-01",
  ],
];
for (const text of NO_FORM) {
  Deno.test(`parseMoment() refuses ${JSON.stringify(text)}, which is no such time`, () => {
    assert.throws(() => parseMoment(text), /must be a time like 2027-01-01T03:00/);
  });
}

/** What a daemon in that zone makes of moments without one. */
async function inZone(zone: string, texts: readonly string[]): Promise<string[]> {
  const module = new URL("../../store/job_options.ts", import.meta.url).href;
  const code = `import { parseMoment } from ${JSON.stringify(module)};
    const texts = ${JSON.stringify(texts)};
    await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(
      texts.map((text) => new Date(parseMoment(text)).toISOString()))));`;
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", code],
    env: { TZ: zone },
    stderr: "inherit",
  }).output();
  assert.ok(success);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Moments without a zone, and the same in UTC. */
const LOCAL: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "Europe/Berlin": {
    "2027-01-01": "2026-12-31T23:00:00.000Z",
    "2027-07-01": "2027-06-30T22:00:00.000Z",
    "2027-07-01T03:00:00.25": "2027-07-01T01:00:00.250Z",
    "2027-07-01T03:00Z": "2027-07-01T03:00:00.000Z",
    // At 02:00 clocks are set to 03:00.
    "2027-03-28T01:59:59": "2027-03-28T00:59:59.000Z",
    "2027-03-28T02:30": "2027-03-28T01:30:00.000Z",
    "2027-03-28T03:00": "2027-03-28T01:00:00.000Z",
    // At 03:00 they are set back: the first of two.
    "2027-10-31T02:30": "2027-10-31T00:30:00.000Z",
    "2027-10-31T03:00": "2027-10-31T02:00:00.000Z",
    "2028-02-29": "2028-02-28T23:00:00.000Z",
  },
  "America/St_Johns": {
    "2027-01-01": "2027-01-01T03:30:00.000Z",
    "2027-03-01T23:59:59.9999": "2027-03-02T03:30:00.000Z",
  },
  "Pacific/Kiritimati": { "2027-01-01": "2026-12-31T10:00:00.000Z" },
};

for (const [zone, moments] of Object.entries(LOCAL)) {
  Deno.test(`parseMoment() without a zone is in that of the process: ${zone}`, async () => {
    assert.deepEqual(await inZone(zone, Object.keys(moments)), Object.values(moments));
  });
}
