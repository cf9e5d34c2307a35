/** A body of events cut into rows: one object, `{"events": […]}`, an array, or lines of NDJSON. */
import type { Limits } from '../../limits.ts'
import { batchRows } from '../batch-rows.ts'
import type { EventRow } from './collector.ts'

export interface CutEvents {
  readonly rows: readonly EventRow[]
  /** One event stood alone, so it is answered alone. */
  readonly isSingle: boolean
}

/** The wrapper of a batch: nothing else stands beside its events. */
const WRAPPER = /^\s*\{\s*"events"\s*:\s*(?=\[)/
const WRAPPER_END = /\]\s*\}\s*$/
/** More white space than this before the array is nobody's batch. */
const WRAPPER_BYTES_MAX = 200

export function cutEvents(
  bytes: Buffer,
  isNdjson: boolean,
  limits: Pick<Limits, 'batchRowsMax' | 'jsonDepthMax'>,
): CutEvents {
  if (isNdjson) return { rows: batchRows(bytes, 'ndjson', limits), isSingle: false }
  const opening = bytes.toString('latin1', 0, WRAPPER_BYTES_MAX)
  const wrapper = WRAPPER.exec(opening)
  if (wrapper !== null) {
    const ending = bytes.toString('latin1', Math.max(0, bytes.length - WRAPPER_BYTES_MAX))
    const end = WRAPPER_END.exec(ending)
    const inner = bytes.subarray(wrapper[0].length, bytes.length - (end === null ? 0 : ending.length - end.index - 1))
    return { rows: batchRows(inner, 'array', limits), isSingle: false }
  }
  if (/^\s*\[/.test(opening)) return { rows: batchRows(bytes, 'array', limits), isSingle: false }
  return { rows: [{ line: 1, bytes }], isSingle: true }
}
