import assert from "node:assert/strict";
import fc from "fast-check";
import { ScriptBuffer, ScriptMemory } from "../../fs/script_buffer.ts";
import { StoreError } from "../../store/errors.ts";

const MIB = 1_048_576;

async function withMemory(body: (memory: ScriptMemory, folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "qj-buffer-" });
  try {
    body(new ScriptMemory(folder), folder);
    assert.deepEqual([...Deno.readDirSync(folder)], [], "its files have no names");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Small sizes, and such that it moves into a file in between. */
const size = fc.oneof(fc.nat(600), fc.integer({ min: MIB - 300, max: MIB + 300 }));
const step = fc.oneof(
  fc.record({ offset: size, data: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ size }),
);

Deno.test("ScriptBuffer is what an ordinary file is, in memory and in a file", async () => {
  await withMemory((memory) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), size, size, (steps, from, length) => {
        const buffer = new ScriptBuffer(memory);
        let plain = new Uint8Array(0);
        const grow = (to: number) => {
          const grown = new Uint8Array(to);
          grown.set(plain.subarray(0, to));
          plain = grown;
        };
        try {
          for (const one of steps) {
            if ("size" in one) {
              buffer.resize(one.size);
              grow(one.size);
            } else if (one.data.length === 0) {
              buffer.write(one.offset, one.data);
            } else {
              buffer.write(one.offset, one.data);
              grow(Math.max(plain.length, one.offset + one.data.length));
              plain.set(one.data, one.offset);
            }
            assert.equal(buffer.size, plain.length);
          }
          assert.ok(equal(buffer.all(), plain));
          assert.ok(equal(buffer.read(from, length), plain.subarray(from, from + length)));
        } finally {
          buffer.close();
        }
        assert.equal(memory.used, 0);
      }),
      { numRuns: 200 },
    );
  });
});

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

Deno.test("ScriptBuffer takes no more than its memory, for one text and for all", async () => {
  await withMemory((memory) => {
    const buffers = Array.from({ length: 100 }, () => new ScriptBuffer(memory));
    const chunk = new Uint8Array(900_000).fill(1);
    for (const buffer of buffers) buffer.write(0, chunk);
    assert.ok(memory.used > 32 * MIB && memory.used <= 64 * MIB, String(memory.used));
    for (const buffer of buffers) assert.ok(equal(buffer.all(), chunk));
    const large = new ScriptBuffer(memory);
    const before = memory.used;
    large.write(10 * MIB, chunk);
    assert.equal(memory.used, before);
    for (const buffer of [...buffers, large]) buffer.close();
    assert.equal(memory.used, 0);
  });
});

Deno.test("ScriptBuffer says when there is no place for its file, and keeps what it has", () => {
  const buffer = new ScriptBuffer(new ScriptMemory("/nonexistent"));
  buffer.write(0, new Uint8Array([1, 2, 3]));
  assert.throws(
    () => buffer.resize(2 * MIB),
    (error) => error instanceof StoreError && error.kind === "io",
  );
  assert.deepEqual([...buffer.all()], [1, 2, 3]);
  buffer.close();
});
