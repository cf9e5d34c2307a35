/**
 * Read-modify-write of plugin memory inside a batch. Events of a batch run before anything is committed, yet a later
 * one must see what an earlier one set. So writes that are decided but not committed lie over what storage answers, and
 * a run that read something an earlier run of the same crossing wrote is run again.
 */
import type { Json } from '../contract/index.ts'
import type { CapabilityHandler, GuestEffects } from '../sandbox/sandbox.ts'

/** Decided writes by key; undefined: deleted. */
export type KvWrites = ReadonlyMap<string, Json | undefined>

/** What one run read. */
export interface KvReads {
  readonly keys: Set<string>
  readonly prefixes: Set<string>
}

/** The contract promises at most this many keys a call of `kv.list`. */
const LIST_KEYS_MAX = 1_000

/** The handler with the decided writes on top; `reads` fills while the run goes on. */
export function overlayKv(
  inner: CapabilityHandler,
  writes: KvWrites,
): { readonly handler: CapabilityHandler; readonly reads: KvReads } {
  const reads: KvReads = { keys: new Set(), prefixes: new Set() }
  const handler: CapabilityHandler = async (name, args) => {
    if (name === 'kv.get') {
      const key = argument(args, 'key', 0)
      reads.keys.add(key)
      // Asked all the same: permissions and counts are checked there.
      const stored = await inner(name, args)
      return writes.has(key) ? writes.get(key) : stored
    }
    if (name !== 'kv.list') return inner(name, args)
    const prefix = argument(args, 'prefix', 0)
    reads.prefixes.add(prefix)
    const answer = await inner(name, args)
    return mergeKeys(answer as ListAnswer, { writes, prefix, after: argument(args, 'after', 1) })
  }
  return { handler, reads }
}

type ListAnswer = { readonly keys: readonly string[]; readonly next: string | null }

function mergeKeys(answer: ListAnswer, over: { writes: KvWrites; prefix: string; after: string }): Json {
  const { writes, prefix, after } = over
  const keys = new Set(answer.keys)
  const last = answer.next === null ? null : (answer.keys.at(-1) ?? '')
  for (const [key, value] of writes) {
    if (!key.startsWith(prefix) || key <= after || (last !== null && key > last)) continue
    if (value === undefined) keys.delete(key)
    else keys.add(key)
  }
  const sorted = [...keys].sort()
  if (sorted.length <= LIST_KEYS_MAX) return { keys: sorted, next: answer.next }
  const page = sorted.slice(0, LIST_KEYS_MAX)
  return { keys: page, next: page.at(-1) ?? null }
}

function argument(args: Json, name: string, position: number): string {
  const value = Array.isArray(args) ? args[position] : (args as { readonly [key: string]: Json } | null)?.[name]
  return typeof value === 'string' ? value : ''
}

/** Lays what a run set over the rest. */
export function noteWrites(writes: Map<string, Json | undefined>, kv: GuestEffects['kv']): void {
  for (const { key, value } of kv) writes.set(key, value)
}

/** Did the run read anything of these? */
export function readAny(reads: KvReads, writes: KvWrites): boolean {
  for (const key of writes.keys()) {
    if (reads.keys.has(key)) return true
    for (const prefix of reads.prefixes) if (key.startsWith(prefix)) return true
  }
  return false
}
