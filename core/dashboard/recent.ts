/** Answers that many pages ask for at the same time: each is had once in so long, however many look on. */

/** Numbers are written once a second, so nothing newer is to be had sooner. */
const RECENT_MS = 1_000
const RECENT_MAX = 1_000

/** The oldest first. */
const recent = new Map<string, { readonly atMs: number; readonly answer: Promise<unknown> }>()

/** What was asked for under this name within the last second; null: nothing. */
export function recentAnswer(name: string): Promise<unknown> | null {
  const known = recent.get(name)
  return known !== undefined && performance.now() - known.atMs < RECENT_MS ? known.answer : null
}

/** Keeps an answer under a name, which must hold all that it depends on. What fails is asked for again. */
export function keepRecent<Body>(name: string, answer: Promise<Body>): Promise<Body> {
  recent.delete(name)
  recent.set(name, { atMs: performance.now(), answer })
  if (recent.size > RECENT_MAX) recent.delete(recent.keys().next().value as string)
  answer.catch(() => {
    if (recent.get(name)?.answer === answer) recent.delete(name)
  })
  return answer
}
