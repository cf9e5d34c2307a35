/** Which rows of `core/limits.ts` the file's `limits:` may change, and how far. The rest are part of what is tested and stay. */
import type { LimitName } from '../limits.ts'
import { LIMITS } from '../limits.ts'

/** Smallest and largest value a file may set. */
export const OVERRIDABLE_LIMITS = {
  bodyBytesMax: [1_024, 67_108_864],
  batchBodyBytesMax: [1_024, 268_435_456],
  batchRowsMax: [1, 10_000],
  stringCharsMax: [256, 8_388_608],
  requestTimeoutMs: [1_000, 600_000],
  connectionsMax: [10, 100_000],
  formsPerWorkspaceMax: [1, 1_000_000],
  idempotencyTtlMs: [60_000, 31_536_000_000],
  publicRatePerSecond: [1, 100_000],
  publicRateBurst: [1, 1_000_000],
  backlogSoftMax: [10, 1_000_000],
  ingestDelayMsMax: [0, 5_000],
  walBytesMax: [1_048_576, 1_073_741_824],
  pluginHeapMb: [8, LIMITS.pluginHeapMbCeiling],
  pluginSliceMs: [10, LIMITS.pluginSliceMsCeiling],
  pluginCpuMs: [10, LIMITS.pluginCpuMsCeiling],
  pluginEventWallMs: [100, 600_000],
  pluginActionWallMs: [100, 600_000],
  pluginRouteWallMs: [100, 60_000],
  pluginScheduleWallMs: [100, 3_600_000],
  childRssMb: [128, 8_192],
  httpTimeoutMs: [100, 300_000],
  attemptBodyBytesMax: [0, 1_048_576],
  deliveryConcurrency: [1, 1_000],
  retryAfterMsMax: [1_000, 604_800_000],
  breakerFailuresMax: [1, 1_000],
  breakerProbeMs: [10, 600_000],
  breakerProbeMsMax: [10, 86_400_000],
  drainGraceMs: [0, 300_000],
} as const satisfies Partial<Record<LimitName, readonly [number, number]>>

export type OverridableLimit = keyof typeof OVERRIDABLE_LIMITS
