/** What the sandbox is opened with. */
import type { Limits } from '../limits.ts'
import type { Logger } from '../observe/observe.ts'

/** Where a plugin uses CPU time that no run tells: none is under way, or nobody knows which of several it was. */
export type CpuPlace = 'loading' | 'ended runs' | 'broken runs'

/**
 * What a unit did beside breaking a limit of its own: a process had to be killed for it, or died again and again; it
 * tampered with its half of the bridge; or it was built and its code could not be loaded.
 */
export type Offence = 'killed' | 'bridge' | 'load'

export interface SandboxOptions {
  readonly logger: Logger
  readonly limits: Limits
  /** Node's flags for a child; default: those that hold plugins. */
  readonly flags?: (hardened: boolean) => readonly string[]
  /** Told when a child died: its group and why. */
  readonly onRestart?: (group: string, why: string) => void
  readonly onOffence?: (key: string, what: Offence) => void
  /** Told of CPU time of a unit that belongs to none of its runs. */
  readonly onCpu?: (key: string, cpuMs: number, where: CpuPlace) => void
}
