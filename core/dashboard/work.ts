/**
 * Work on many things, step by step behind the answer, while whoever began it looks on. What a step did is in the store;
 * here is only how far it is, so work that ends with its process is simply begun again for what is left. Its id says which
 * process it is in, since another one of the hub may be asked for it.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiProblem } from './api.ts'
import { whose } from './visit.ts'
import type { Visit } from './visit.ts'

/** What one step did, and where the next one begins; null: that was all. */
export interface Step {
  readonly count: number
  readonly next: string | null
  /** Why it did not do all of it: then there is no next one. */
  readonly problem?: string | undefined
}

export interface Work {
  readonly id: string
  /** What is done: where its page is. */
  readonly kind: string
  /** How many there were as it began. */
  readonly of: number
  readonly done: number
  readonly state: 'runs' | 'done' | 'stopped' | 'failed'
  /** Why it failed. */
  readonly problem: string | null
}

export interface WorkInput {
  readonly kind: string
  readonly of: number
  readonly cursor: string | null
  readonly step: (cursor: string | null) => Promise<Step>
}

interface Held {
  work: Work
  isStopped: boolean
}

/** This process, as ids of its work begin. */
const HERE = randomBytes(6).toString('hex')

/** One of each key: the next one takes the place of one that has ended. */
const held = new Map<string, Held>()
/** Work that is over so soon needs no page of its own. */
const SOON_MS = 1_000

/** Begins, unless the key has work under way: then that is what there is to look at, whatever its kind. Waits a moment for its end. */
export async function beginWork(
  visit: Visit,
  input: WorkInput,
): Promise<{ readonly work: Work; readonly begun: boolean }> {
  const owner = whose(visit)
  const before = held.get(owner)
  if (before?.work.state === 'runs') return { work: before.work, begun: false }
  const one: Held = {
    isStopped: false,
    work: { id: `${HERE}-${randomUUID()}`, kind: input.kind, of: input.of, done: 0, state: 'runs', problem: null },
  }
  held.set(owner, one)
  await Promise.race([run(one, input), sleep(SOON_MS, undefined, { ref: false })])
  return { work: one.work, begun: true }
}

/** What the key has of this kind under this id. */
export function findWork(visit: Visit, kind: string, id: string): Work | null {
  const work = own(visit, id)?.work
  return work?.kind === kind ? work : null
}

/** It was begun in another process: one that is alive, or that this one came after. */
export const isElsewhere = (id: string): boolean => !id.startsWith(`${HERE}-`)

/** It ends after the step it is in. */
export function stopWork(visit: Visit, id: string): void {
  const one = own(visit, id)
  if (one !== null) one.isStopped = true
}

function own(visit: Visit, id: string): Held | null {
  const one = held.get(whose(visit))
  return one?.work.id === id ? one : null
}

async function run(one: Held, { cursor, step }: WorkInput): Promise<void> {
  try {
    for (let at = cursor; ;) {
      const { count, next, problem = null } = await step(at)
      const isOver = problem !== null || next === null || one.isStopped
      const state = problem !== null ? 'failed' : next === null ? 'done' : one.isStopped ? 'stopped' : 'runs'
      one.work = { ...one.work, done: one.work.done + count, state, problem }
      if (isOver) return
      at = next
    }
  } catch (error) {
    one.work = {
      ...one.work,
      state: 'failed',
      problem: error instanceof ApiProblem ? error.whole : (error as Error).message,
    }
  }
}
