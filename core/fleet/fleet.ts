/**
 * Which process of the hub runs which installation, and what the processes tell each other. One that is alone runs them
 * all. Whoever runs an installation pumps the log for it, makes its deliveries and fires its schedules; at most one does.
 */
import type { Lane } from '../queue/queue.ts'

/** What other processes did. Hints: the rows are the truth, and `missed` says that hints may have been lost. */
export interface News {
  /** The log reaches to this sequence now; null: nothing was appended. */
  readonly head: number | null
  /** Forms that changed or are gone. */
  readonly forms: readonly { readonly workspace: string; readonly id: string }[]
  /** Installations whose state changed, by key. */
  readonly installations: readonly string[]
  /** Installations whose cursor was moved by an operator, by key. */
  readonly cursors: readonly string[]
  /** An API key was revoked or made. */
  readonly keys: boolean
  /** There is work in these lanes. */
  readonly lanes: readonly Lane[]
  /** The line was cut: whatever is remembered may be old. */
  readonly missed: boolean
}

/** How far a lane is behind and how fast it is, as its process saw it last. */
export interface LanePace {
  readonly key: string
  readonly behind: number
  readonly deliveredPerSecond: number
}

/** What the fleet calls this process for. */
export interface FleetHooks {
  /** `holds` answers differently from now on. */
  changed(): void
  /** Resolves when nothing runs here any more for an installation that is to be given up. */
  drained(key: string): Promise<void>
  heard(news: News): void
  /** What this process wrote last may be in the database although it was told otherwise. */
  doubt(): void
  /** Installations that no living process runs, by key; at each look. */
  unattended(keys: readonly string[]): void
  /** Breakers of this process that are not closed. */
  breakers(): readonly FarBreaker[]
  /** What lanes here have before them. */
  pace(): readonly LanePace[]
}

/** A process of the hub, as the database knows it. */
export interface FleetMember {
  readonly id: string
  readonly role: string
  readonly version: string
  readonly url: string | null
  /** True for the one that was asked. */
  readonly asked: boolean
  /** Ms since it said last that it lives. */
  readonly silentMs: number
  /** Checksum of the configuration it runs. */
  readonly config: string
  /** What it runs, by key. */
  readonly installations: readonly string[]
}

/** A breaker of another process. */
export interface FarBreaker {
  readonly installation: string
  readonly host: string
  readonly state: 'open' | 'half_open'
  /** Unix ms of the next probe; null: it is under way. */
  readonly probeAtMs: number | null
}

export interface Fleet {
  /** True where no other process can know better what a file or an installation is worth. */
  readonly alone: boolean
  /**
   * Whether a configuration is the newest the fleet has seen. One that was seen before and replaced since is `older`, unless
   * it is loaded by a process that runs the newest (somebody put it back) or nobody runs the newest any more.
   */
  standing(checksum: string): Promise<'newest' | 'older'>
  /** The processes there are, this one included. */
  members(): readonly FleetMember[]
  /** Breakers that are not closed, of other processes, as they were within the last seconds. */
  breakers(): readonly FarBreaker[]
  /**
   * Installations that this process could run, by key (`workspace/id`): the whole list, each with the names of what it takes
   * turns for. Of those that share such a name, all run in one process.
   */
  want(wanted: ReadonlyMap<string, readonly string[]>): void
  /** True while it is this process that runs the installation. */
  holds(key: string): boolean
  /** Where the process that runs it answers, with the key that opens its door; null: here, or nobody runs it now. */
  elsewhere(key: string): Promise<Neighbour | null>
  /** Installations of the list that no living process runs. */
  orphans(): readonly string[]
  /** Lanes of other processes. */
  pace(): readonly LanePace[]
  /** Resolves when it was settled for the first time what runs here. `url`: where other processes reach this one. */
  start(hooks: FleetHooks, door: Neighbour): Promise<void>
  /** This process is about to end: it takes nothing more, and each installation goes as soon as nothing of it runs. */
  drain(): void
  /** Gives everything up; call it when nothing runs any more. */
  stop(): Promise<void>
}

/** A process as another one reaches it. */
export interface Neighbour {
  readonly url: string
  readonly key: string
}
