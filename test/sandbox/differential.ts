/** Runs the same script here and inside a real isolate, so that Node's own globals say what is right. */
import { runInThisContext } from 'node:vm'
import { type Bench, eventRun, onEvent, untilRun } from './harness.ts'

/** An expression's value as JSON, or the error it threw; bytes and Maps are spelled out. */
const wrap = (expression: string): string => `(async (ctx) => {
  const plain = (v) => v === undefined ? '(undefined)' : typeof v === 'number' && !Number.isFinite(v) || Object.is(v, -0) ? '(' + (Object.is(v, -0) ? '-0' : v) + ')'
    : typeof v === 'bigint' ? v + 'n' : typeof v === 'function' || typeof v === 'symbol' ? '(' + typeof v + ')'
    : v instanceof ArrayBuffer ? [...new Uint8Array(v)] : ArrayBuffer.isView(v) && !(v instanceof DataView) ? [v.constructor.name, ...[...v].map(plain)]
    : Array.isArray(v) ? v.map(plain) : v instanceof Error ? (v.constructor.name === 'DOMException' ? 'DOMException ' : '') + v.name
    : v instanceof Map || v instanceof Set ? [v.constructor.name, ...[...v].map(plain)]
    : v instanceof Date ? 'Date ' + v.getTime() : v instanceof RegExp ? String(v)
    : typeof v === 'object' && v !== null ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)])) : v
  const tried = async (f) => { try { return await f() } catch (e) { return e } }
  return JSON.stringify(plain(await tried(async () => (${expression}))))
})`

const hostValue = async (expression: string): Promise<unknown> => {
  const script = runInThisContext(wrap(expression)) as (ctx: object) => Promise<string>
  return JSON.parse(await script({}))
}

/** Values of all expressions, there and here. One plugin for all of them. */
export async function both(
  bench: Bench,
  expressions: readonly string[],
): Promise<{ guest: unknown[]; node: unknown[] }> {
  const guest = await inGuest(bench, expressions)
  const node = await Promise.all(expressions.map(hostValue))
  return { guest, node }
}

const PIECE_CHARS = 1_500
let count = 0

/** Values of the expressions inside the guest only. */
export async function inGuest(
  bench: Bench,
  expressions: readonly string[],
  capabilities: Parameters<typeof eventRun>[1] = async () => 'v',
): Promise<unknown[]> {
  const name = `differential-${++count}`
  // In pieces, as a line of the log has a limit.
  const body = `for (const f of all) { const text = await f(ctx) ?? 'null'; for (let at = 0; at < text.length; at += ${PIECE_CHARS}) ctx.log.info(text.slice(at, at + ${PIECE_CHARS})); ctx.log.info('') }`
  await bench.plugin(name, onEvent(body, `const all: any[] = [${expressions.map(wrap).join(',\n')}]`), {
    limits: { logLinesMax: 2_000 },
  })
  const result = await untilRun(bench.sandbox, `default/${name}`, () => eventRun({}, capabilities))
  await bench.sandbox.unload(`default/${name}`)
  if (result.error !== null) throw result.error
  const texts = result.logs.map((line) => (line.message === '' ? '\n' : line.message)).join('')
  return texts
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as unknown)
}
