/** Lets so many in at a time; the others wait in line, or leave it when their time is up. */

export interface Turns {
  /** Resolves when it is one's turn, with what ends it; rejects when the signal comes first. */
  take(signal: AbortSignal): Promise<() => void>
}

export function createTurns(atOnceMax: number): Turns {
  const line: (() => void)[] = []
  let taken = 0
  const leave = (): void => {
    taken -= 1
    line.shift()?.()
  }
  return {
    take: (signal) =>
      new Promise((resolve, reject) => {
        const giveUp = (): void => {
          line.splice(line.indexOf(enter), 1)
          reject(new Error('Time is up.'))
        }
        const enter = (): void => {
          signal.removeEventListener('abort', giveUp)
          taken += 1
          resolve(leave)
        }
        if (taken < atOnceMax) return enter()
        line.push(enter)
        signal.addEventListener('abort', giveUp, { once: true })
      }),
  }
}
