/**
 * Keeps the counts of forms in memory and in step with the projection: those asked last, within a bound. A form whose counts
 * are not there is answered from its rows, while they are counted beside.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { rowsOf } from '../engine/database.ts'
import type { Change, ProjectedForm, Watcher } from '../engine/projection.ts'
import { shapeOf } from './form-counts.ts'
import type { FormCounts } from './form-counts.ts'
import { loadCounts } from './load.ts'
import type { Loaded } from './load.ts'

/** Fewer are computed from rows as fast. */
const WARM_ROWS_MIN = 10_000
/** The rest is for what is asked. */
const WARM_SHARE = 0.75

export interface KeeperOptions {
  /** What the counts of all forms may take together. */
  readonly bytesMax: number
  readonly warn: (message: string, fields: { readonly [key: string]: string }) => void
}

/** Of which rows the counts are made. */
export interface Rows {
  readonly connection: DuckDBConnection
  /** Resolves once what was being written when it was called is written. */
  settled(): Promise<void>
}

interface Entry {
  readonly shape: string
  counts: FormCounts | null
  /** What came while it was being counted. */
  missed: Change[]
  loading: Promise<void> | null
}

export class Keeper implements Watcher {
  readonly #options: KeeperOptions
  /** The one asked last is last. */
  readonly #entries = new Map<string, Entry>()
  #rows: Rows | null = null
  #line: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /** From now on it counts. */
  begin(rows: Rows): void {
    this.#rows = rows
  }

  /** Null: they are not there, and are being counted if there is room. */
  of(form: ProjectedForm): FormCounts | null {
    const shape = shapeOf(form)
    const known = this.#entries.get(form.id)
    const entry = known?.shape === shape ? known : this.#load(form, shape)
    this.#entries.delete(form.id)
    this.#entries.set(form.id, entry)
    return entry.counts
  }

  /** Resolves when its counts are there, or cannot be. */
  async counted(form: ProjectedForm): Promise<void> {
    this.of(form)
    await this.#entries.get(form.id)?.loading
  }

  /** Counts those with many responses beforehand, the largest first, while there is room. */
  async warm(forms: Iterable<ProjectedForm>): Promise<void> {
    if (this.#rows === null) return
    const byTable = new Map([...forms].map((form) => [form.table, form]))
    const { connection } = this.#rows
    const sql = 'SELECT table_name FROM duckdb_tables() WHERE estimated_size >= $1 ORDER BY estimated_size DESC'
    // In turn: a statement ends the one before it on its connection, whether that was read to its end or not.
    const finding = this.#line.then(() => rowsOf(connection, sql, [WARM_ROWS_MIN]))
    this.#line = finding.then(
      () => undefined,
      () => undefined,
    )
    const large = await finding
    for (const row of large) {
      const form = byTable.get(String(row['table_name']))
      const isRoom = this.bytes < this.#options.bytesMax * WARM_SHARE
      if (form !== undefined && isRoom && !this.#isClosed) await this.counted(form)
    }
  }

  wants(form: string): boolean {
    const entry = this.#entries.get(form)
    return entry !== undefined && (entry.counts !== null || entry.loading !== null)
  }

  changed(changes: readonly Change[]): void {
    for (const change of changes) {
      const entry = this.#entries.get(change.form)
      if (entry === undefined) continue
      if (change.isDropped) this.#entries.delete(change.form)
      else if (entry.counts === null) {
        if (entry.loading !== null) entry.missed.push(change)
      } else if (!this.#take(entry.counts, change)) this.#entries.delete(change.form)
    }
    this.#makeRoom()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#line
  }

  /** Of all that is kept. */
  get bytes(): number {
    let sum = 0
    for (const { counts } of this.#entries.values()) sum += counts?.bytes ?? 0
    return sum
  }

  #load(form: ProjectedForm, shape: string): Entry {
    const entry: Entry = { shape, counts: null, missed: [], loading: null }
    const work = async (): Promise<void> => {
      const isWanted = this.#entries.get(form.id) === entry && !this.#isClosed
      if (isWanted) await this.#count(form, entry)
      entry.loading = null
      entry.missed = []
    }
    entry.loading = this.#line.then(work)
    this.#line = entry.loading
    return entry
  }

  async #count(form: ProjectedForm, entry: Entry): Promise<void> {
    if (this.#rows === null) return
    const { connection, settled } = this.#rows
    let loaded: Loaded
    try {
      await settled()
      loaded = await loadCounts(connection, form, this.#options.bytesMax)
    } catch (error) {
      this.#entries.delete(form.id)
      return this.#options.warn('a form could not be counted', { form: form.id, error: String(error) })
    }
    const { counts, applied } = loaded
    if (counts === null || this.#entries.get(form.id) !== entry) return
    const missed = entry.missed.filter(({ reached }) => reached > applied)
    if (missed.every((change) => this.#take(counts, change))) entry.counts = counts
    else this.#entries.delete(form.id)
    this.#makeRoom()
  }

  #take(counts: FormCounts, { form, removed, added }: Change): boolean {
    try {
      for (const row of removed) counts.remove(row)
      for (const row of added) counts.add(row)
      return true
    } catch (error) {
      this.#options.warn('counts do not fit their rows and are made anew', { form, error: String(error) })
      return false
    }
  }

  /** Those that were asked longest ago go first; an entry without counts stays as a sign that it is too much. */
  #makeRoom(): void {
    let { bytes } = this
    for (const [form, entry] of this.#entries) {
      if (bytes <= this.#options.bytesMax) return
      if (entry.counts === null) continue
      const isAlone = entry.counts.bytes === bytes
      bytes -= entry.counts.bytes
      if (isAlone) entry.counts = null
      else this.#entries.delete(form)
    }
  }
}
