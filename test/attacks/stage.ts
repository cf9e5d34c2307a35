/** A sandbox with the puppet in it, which does as it is told, and an honest neighbour in the same process. */
import { readFile } from 'node:fs/promises'
import type { Limits } from '../../core/limits.ts'
import type { Run, RunResult } from '../../core/sandbox/sandbox.ts'
import { expect } from 'vitest'
import { type Bench, eventRun, onEvent, openBench, type PluginOptions, untilRun } from '../sandbox/harness.ts'

const PUPPET = new URL('../fixtures/attack-plugins/puppet/index.ts', import.meta.url)

export interface Stage extends AsyncDisposable {
  readonly bench: Bench
  /** Loads one more puppet under this name. */
  puppet(name: string, options?: PluginOptions): Promise<void>
  /** Has it play: the body of an async function with `event` and `ctx`. */
  play(name: string, code: string, capabilities?: Run['capabilities']): Promise<RunResult>
  /** The neighbour's answer to a number; `{ n, got: 'v' }` when nothing is wrong. */
  neighbour(n: number): Promise<unknown>
}

/** `await using stage = await openStage()`. */
export async function openStage(
  limits: Partial<Limits> = {},
  more: Parameters<typeof openBench>[1] = {},
): Promise<Stage> {
  const bench = await openBench({ childRestartBackoffMs: 0, ...limits }, more)
  const source = await readFile(PUPPET, 'utf8')
  await bench.plugin(
    'neighbour',
    onEvent(`const got = await ctx.kv.get('x'); ctx.enqueue('a', { n: event.data.n, got })`),
  )
  return {
    bench,
    puppet: async (name, options) => void (await bench.plugin(name, source, options)),
    play: (name, code, capabilities = async () => ({ status: 200, headers: {}, body: 'v', truncated: false })) =>
      untilRun(bench.sandbox, `default/${name}`, () => eventRun({ who: name, code }, capabilities)),
    neighbour: async (n) => {
      const { error, effects } = await untilRun(bench.sandbox, 'default/neighbour', () =>
        eventRun({ n }, async () => 'v'),
      )
      return error ?? effects.enqueue[0]?.input
    },
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  }
}

/** The coordinates that every failure must carry. */
export const attributedTo = (installation: string) => ({
  at: {
    plugin: installation,
    version: '1.2.3',
    installation,
    event: expect.stringMatching(/^evt_/),
    attempt: 1,
  },
})
