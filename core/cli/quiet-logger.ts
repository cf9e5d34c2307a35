/** A log for commands that open a part of the hub for a moment: only errors are worth a line. */
import type { Logger } from '../observe/observe.ts'

const nothing = (): void => {}

export const quietLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: (_fields, message) => void process.stderr.write(`${message}\n`),
  child: () => quietLogger,
}
