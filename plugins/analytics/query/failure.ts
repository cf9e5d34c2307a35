/** Reading questions, and answering those that cannot be answered. */
import type { z } from 'zod'
import type { RouteResponse } from 'manifold/plugin'
import { TooLarge } from '../engine/database.ts'
import { TooSlow } from '../engine/guard.ts'
import { Busy } from '../engine/line.ts'
import { problem, unavailable } from './problem.ts'
import { Refusal } from './refusal.ts'
import type { Mistake } from './refusal.ts'

/** Throws a Refusal. */
export function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (error) {
    throw new Refusal([{ pointer: '', detail: `is not valid JSON: ${(error as Error).message}` }])
  }
}

/** Throws a Refusal that names every mistake. */
export function readAs<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new Refusal(parsed.error.issues.flatMap((issue) => mistakesOf(issue, [])))
}

type Issue = z.core.$ZodIssue

/** An issue in its place; of several ways to write something the one that comes nearest, and each word that is not known. */
function mistakesOf(issue: Issue, above: readonly PropertyKey[]): readonly Mistake[] {
  const path = [...above, ...issue.path]
  const pointer = path.map((key) => `/${String(key)}`).join('')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ pointer: `${pointer}/${key}`, detail: 'is not known here; check the spelling' }))
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return [{ pointer, detail: issue.message }]
  const nearest = issue.errors.toSorted((a, b) => farness(a) - farness(b))[0] ?? []
  return nearest.flatMap((each) => mistakesOf(each, path))
}

/** A way whose very kind is another is the farthest. */
const farness = (issues: readonly Issue[]): number =>
  issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0) ? Infinity : issues.length

/** What whoever asked is told. Throws what is no fault of the question. */
export function failure(error: unknown): RouteResponse {
  if (error instanceof Refusal && error.mistakes.every(({ isDenied }) => isDenied === true))
    return problem(403, 'forbidden', {
      title: 'The API key lacks the needed scope',
      detail: error.message,
      errors: error.mistakes.map(({ pointer, detail }) => ({ pointer, detail })),
    })
  if (error instanceof Refusal)
    return problem(422, 'invalid_query', {
      title: 'The query is not valid',
      detail: error.message,
      errors: error.mistakes.map(({ pointer, detail }) => ({ pointer, detail })),
    })
  if (error instanceof TooSlow)
    return problem(422, 'query_too_slow', {
      title: 'The question takes too long',
      detail: `${error.message}; narrow it by time or filter, or raise queryTimeoutMs in manifold.yaml.`,
    })
  if (error instanceof TooLarge)
    return failure(
      new Refusal([{ pointer: '', detail: `${error.message}; ask for fewer rows, or about shorter texts` }]),
    )
  if (error instanceof Busy) return unavailable(error.message)
  throw error
}
