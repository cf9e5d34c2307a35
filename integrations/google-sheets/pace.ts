/** Writes to one spreadsheet come one after the other, this far apart: Google counts them by the minute. */

const MINUTE_MS = 60_000

let lastMs = Number.NEGATIVE_INFINITY

/** Resolves when the next write may begin. One run of the action is under way at a time, so nobody overtakes. */
export async function paced(writesPerMinute: number): Promise<void> {
  const waitMs = lastMs + MINUTE_MS / writesPerMinute - Date.now()
  if (waitMs > 0) await new Promise<void>((resolve) => setTimeout(resolve, waitMs))
  lastMs = Date.now()
}
