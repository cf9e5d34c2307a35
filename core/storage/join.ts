/** Which calls of a group may be run as one. Pure. */
import { MERGES } from './verbs.ts'
import type { Merge } from './verbs.ts'

export interface Joined {
  readonly verb: string
  readonly merge: Merge<unknown, unknown>
  readonly inputs: readonly unknown[]
}

/** Calls from this place on that may be run as one; null when that is one call. */
export function joinable(
  calls: readonly { readonly verb: string; readonly input: unknown }[],
  from: number,
): Joined | null {
  const verb = calls[from]?.verb ?? ''
  const merge = (Object.hasOwn(MERGES, verb) ? MERGES[verb as keyof typeof MERGES] : undefined) as
    | Merge<unknown, unknown>
    | undefined
  if (merge === undefined) return null
  const inputs: unknown[] = []
  for (let i = from; i < calls.length; i++) {
    const call = calls[i]
    if (call?.verb !== verb || !merge.mayJoin(call.input)) break
    inputs.push(call.input)
  }
  return inputs.length > 1 ? { verb, merge, inputs } : null
}
