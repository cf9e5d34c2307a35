/** Questions that took long: told in the log by what they were, and kept for the admin with what they asked. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Json, NativeServices, RouteRequest, RouteResponse } from 'manifold/plugin'
import { z } from 'zod'
import { DAY_MS } from '../time-units.ts'

const KEPT_MAX = 100
const TEXT_CHARS_MAX = 2_000
/** What stood in a filter may name people, and must not outlive them here for long. */
const KEPT_MS = 7 * DAY_MS
const SAVE_AFTER_MS = 1_000

const slowQuestion = z.object({
  at: z.string(),
  /** The route, as the manifest has it. */
  route: z.string(),
  tookMs: z.number(),
  status: z.number(),
  /** What was asked, cut where it is long. */
  text: z.string(),
})
type SlowQuestion = z.output<typeof slowQuestion>

export interface SlowOptions {
  readonly fromMs: number
  readonly dir: string
  readonly say: NativeServices['say']
}

/** The latest first, of the last days; in a file that only the hub's user reads, so that a restart does not forget them. */
export class SlowQuestions {
  readonly #fromMs: number
  readonly #say: NativeServices['say']
  readonly #file: string
  #questions: readonly SlowQuestion[]
  #timer: NodeJS.Timeout | null = null
  #saving: Promise<void> = Promise.resolve()

  private constructor({ fromMs, say }: SlowOptions, file: string, questions: readonly SlowQuestion[]) {
    this.#fromMs = fromMs
    this.#say = say
    this.#file = file
    this.#questions = questions
  }

  /** A file that cannot be read is none. */
  static async open(options: SlowOptions): Promise<SlowQuestions> {
    const file = join(options.dir, 'slow.json')
    const text = await readFile(file, 'utf8').catch(() => '[]')
    return new SlowQuestions(options, file, questionsIn(text))
  }

  /** Answers as `answer` does. */
  async watch(
    route: string,
    request: Pick<RouteRequest, 'body' | 'query' | 'params'>,
    answer: () => Promise<RouteResponse>,
  ): Promise<RouteResponse> {
    const startedMs = performance.now()
    const note = ({ status = 200 }: RouteResponse): void => {
      const tookMs = Math.round(performance.now() - startedMs)
      if (tookMs < this.#fromMs) return
      const text = textOf(request).slice(0, TEXT_CHARS_MAX)
      const at = new Date().toISOString()
      this.#questions = recent([{ at, route, tookMs, status, text }, ...this.#questions])
      this.#timer ??= setTimeout(() => this.#save(), SAVE_AFTER_MS).unref()
      // What was asked may name people: it is for the admin, and not for every place that logs are sent to.
      this.#say('warn', 'a question took long', { route, took_ms: tookMs, status })
    }
    try {
      const answered = await answer()
      note(answered)
      return answered
    } catch (error) {
      note({ status: 500 })
      throw error
    }
  }

  list(): RouteResponse {
    const items = recent(this.#questions).map(({ tookMs, ...rest }): Json => ({ ...rest, took_ms: tookMs }))
    return { json: { slow_from_ms: this.#fromMs, items } }
  }

  async close(): Promise<void> {
    if (this.#timer !== null) this.#save()
    await this.#saving
  }

  #save(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const text = JSON.stringify(recent(this.#questions))
    const write = async (): Promise<void> => {
      await writeFile(`${this.#file}.new`, text, { mode: 0o600 })
      await rename(`${this.#file}.new`, this.#file)
    }
    this.#saving = this.#saving.then(write).catch((error: unknown) => {
      this.#say('warn', 'questions that took long could not be written down', { error: String(error) })
    })
  }
}

function questionsIn(text: string): readonly SlowQuestion[] {
  try {
    return recent(z.array(slowQuestion).parse(JSON.parse(text)))
  } catch {
    return []
  }
}

const recent = (questions: readonly SlowQuestion[]): readonly SlowQuestion[] => {
  const sinceMs = Date.now() - KEPT_MS
  return questions.filter(({ at }) => Date.parse(at) >= sinceMs).slice(0, KEPT_MAX)
}

const textOf = ({ body, query, params }: Pick<RouteRequest, 'body' | 'query' | 'params'>): string =>
  body === '' ? JSON.stringify({ ...params, ...query }) : body
