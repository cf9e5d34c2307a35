/** A log for commands that open a part of the hub for a moment: only errors are worth a line. */
import type { Logger } from '../observe/observe.ts'
import { oneLine } from './terminal.ts'

const nothing = (): void => {}

export const quietLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: (_fields, message) => void process.stderr.write(`${oneLine(message)}\n`),
  child: () => quietLogger,
}
