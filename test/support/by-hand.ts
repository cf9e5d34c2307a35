/** Starts a vendor's double from a terminal: `--port N`, and one line instead of a stack where that cannot be. */
import { parseArgs } from 'node:util'

/** Resolves with what was started; ends the process when it could not be. */
export async function startByHand<Started>(start: (port: number) => Promise<Started>): Promise<Started> {
  try {
    const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
    return await start(Number(values.port))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    process.stderr.write(
      code === 'EADDRINUSE'
        ? `Another program listens there already; choose another --port. (${message})\n`
        : `${message}\n`,
    )
    process.exit(1)
  }
}
