/** Keeps the last of the disk for finishing what was accepted: new submissions are refused a little before it is full. */
import { statfsSync } from 'node:fs'
import type { Call } from './messages.ts'

const RESERVE_BYTES_MAX = 8 * 1_048_576
/** Of a small file system a smaller part is kept. */
const RESERVE_FRACTION = 1 / 16

/** True for verbs that bring new work in, ask whether it could be, or can be done without; everything else may use the reserve. */
export const bringsWork = ({ verb }: Call): boolean =>
  verb === 'accept' || verb === 'track' || verb === 'ping' || verb === 'appendRuns'

/** True when only the reserve is left. Asked once for a group of calls; it costs some microseconds. */
export function reserveOnly(dir: string): boolean {
  const { bavail, blocks, bsize } = statfsSync(dir)
  return bavail * bsize < Math.min(RESERVE_BYTES_MAX, blocks * bsize * RESERVE_FRACTION)
}
