/**
 * Every bound of the system, with its unit last in the name. `test/faults/limits.test.ts` trips each row and fails
 * for a row that has no case. Manifests may lower or raise plugin limits up to the ceilings here; `manifold.yaml`
 * `limits:` overrides the rows marked there.
 */
export const LIMITS = {
  // entering
  bodyBytesMax: 1_048_576,
  batchBodyBytesMax: 8_388_608,
  batchRowsMax: 1_000,
  jsonDepthMax: 32,
  jsonKeysMax: 2_000,
  stringCharsMax: 262_144,
  headerBytesMax: 16_384,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 72_000,
  connectionsMax: 10_000,
  multipartPartsMax: 500,
  formFieldsMax: 500,
  fieldOptionsMax: 1_000,
  formsPerWorkspaceMax: 10_000,
  idempotencyKeyCharsMax: 255,
  idempotencyTtlMs: 86_400_000,
  publicRatePerSecond: 20,
  publicRateBurst: 200,
  pageItemsMax: 200,
  pageItemsDefault: 50,

  // waiting
  backlogSoftMax: 1_000,
  backlogHardMax: 20_000,
  ingestDelayMsMax: 200,
  pumpBatchEventsMax: 100,
  laneMemoryDeliveriesMax: 2_000,
  recentEventsMax: 8_192,
  recentEventsBytesMax: 33_554_432,
  replayRowsPerStepMax: 500,
  hopsMax: 8,
  sqliteBusyTimeoutMs: 5_000,
  walBytesMax: 67_108_864,

  // filters
  filterDepthMax: 8,
  filterNodesMax: 200,
  filterInItemsMax: 1_000,
  filterRegexCharsMax: 1_000,
  filterRegexSubjectCharsMax: 4_096,

  // plugins: defaults, with ceilings where a manifest may ask for more
  pluginHeapMb: 32,
  pluginHeapMbCeiling: 128,
  pluginSliceMs: 500,
  pluginSliceMsCeiling: 2_000,
  pluginCpuMs: 500,
  pluginCpuMsCeiling: 5_000,
  pluginEventWallMs: 10_000,
  pluginActionWallMs: 20_000,
  pluginRouteWallMs: 5_000,
  pluginScheduleWallMs: 60_000,
  pluginLoadMs: 2_000,
  pluginHostOpsMax: 50,
  pluginHttpCallsMax: 20,
  pluginLogLinesMax: 100,
  pluginLogLineCharsMax: 2_048,
  pluginHttpRequestBytesMax: 1_048_576,
  pluginHttpResponseBytesMax: 1_048_576,
  pluginResultBytesMax: 262_144,
  pluginBundleBytesMax: 1_048_576,
  pluginTimersMax: 100,
  pluginKvKeyCharsMax: 512,
  pluginKvValueBytesMax: 65_536,
  pluginKvKeysMax: 10_000,
  pluginRouteBodyBytesMax: 1_048_576,
  childRssMb: 512,
  childHeartbeatMs: 2_000,
  childRestartBackoffMs: 1_000,

  // leaving
  httpTimeoutMs: 15_000,
  httpConnectTimeoutMs: 5_000,
  httpSocketsPerHostMax: 64,
  httpResponseHeaderBytesMax: 32_768,
  attemptBodyBytesMax: 65_536,
  deliveryConcurrency: 64,
  retryAfterMsMax: 86_400_000,
  retryJitterFraction: 0.2,
  breakerFailuresMax: 5,
  breakerProbeMs: 30_000,
  breakerProbeMsMax: 600_000,
  drainGraceMs: 10_000,
  drainNoticeMs: 300,

  // configuring
  configBytesMax: 2_097_152,
  configNodesMax: 100_000,
  configDepthMax: 64,
  configAliasesMax: 200,
} as const

export type LimitName = keyof typeof LIMITS
export type Limits = { readonly [name in LimitName]: number }
