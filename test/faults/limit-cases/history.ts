/** Where the bounds of the run history are tripped. */
import type { LimitName } from '../../../core/limits.ts'
import type { LimitCases } from './world.ts'

const HISTORY = 'test/runs/history.test.ts'
const RECORD = 'test/runs/record.test.ts'
const STORE = 'test/contract/store/runs.ts'

export const history: LimitCases<Extract<LimitName, `run${string}` | 'trafficKeptMs'>> = {
  trafficKeptMs: { in: 'test/contract/store/traffic.ts', test: 'drops what is older than it is kept' },
  runsKeptPerInstallation: {
    in: STORE,
    test: 'keeps so many of an installation, the newest, and of the others all',
  },
  runsKeptMs: { in: STORE, test: 'drops what is older than it is kept, of however many installations' },
  runsOkPerSecond: {
    in: HISTORY,
    test: 'after the burst so many a second are recorded, and each counts those that followed it',
  },
  runsOkBurst: {
    in: HISTORY,
    test: 'of 2,000 runs in a burst a bounded number is recorded, and the rest is counted',
  },
  runsFailedPerSecond: { in: HISTORY, test: 'of failed runs more are recorded, but not without bound' },
  runsFailedBurst: { in: HISTORY, test: 'of failed runs more are recorded, but not without bound' },
  runsWaitingMax: {
    in: HISTORY,
    test: 'what cannot be written yet waits, up to its limit, and is written when the disk is free again',
  },
  runLogBytesMax: {
    in: RECORD,
    test: 'log lines are kept up to their bytes; the rest is counted with what the sandbox dropped',
  },
  runEffectsBytesMax: { in: RECORD, test: 'effects and requests are kept up to their bytes; the rest is counted' },
}
