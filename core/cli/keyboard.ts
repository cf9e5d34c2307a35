/** Single keys at a terminal. Where standard input is none, nothing is read from it. */

const CTRL_C = '\u0003'
const CTRL_D = '\u0004'

/** Calls what is bound to a key, until the signal; false when there is no keyboard. */
export function listenForKeys(signal: AbortSignal, bound: Readonly<Record<string, () => void>>): boolean {
  const { stdin } = process
  if (!stdin.isTTY || signal.aborted) return false
  const listen = (text: string): void => {
    for (const key of text) {
      // Raw input takes these away from the terminal, which would have made a signal of them.
      if (key === CTRL_C || key === CTRL_D) process.kill(process.pid, 'SIGINT')
      else bound[key]?.()
    }
  }
  stdin.setRawMode(true)
  stdin.setEncoding('utf8').on('data', listen)
  const leave = (): void => {
    stdin.off('data', listen)
    stdin.pause()
    stdin.setRawMode(false)
  }
  signal.addEventListener('abort', leave, { once: true })
  // However this process ends: a terminal that stays raw shows its user nothing any more.
  process.once('exit', () => stdin.setRawMode(false))
  return true
}
