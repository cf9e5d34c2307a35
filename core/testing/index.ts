/**
 * What tests of plugins import: `import { testPlugin } from 'manifold/plugin/testing'`. The plugin runs in the real
 * sandbox, between the hub's own rooms; time, the outside and the events are the test's. For any test runner.
 */
export { testPlugin } from './test-plugin.ts'
export type { Emitted, Submitted, TestDelivery, TestPlugin, TestPluginOptions, TestRequest } from './test-plugin.ts'
export type { RunOutcome, TestItem } from './direct-run.ts'
export type { RecordedEvent, SubmitOptions, TestResponse } from './recorded-events.ts'
export type { RecordedRun } from './recorder.ts'
export type { Reply, ReplyFn, ScriptedHttp, SentRequest } from './scripted-http.ts'
export type { EmailReply, ScriptedEmail, SentEmail } from './scripted-email.ts'
export { conformance } from './conformance.ts'
export type { ConformanceOptions } from './conformance.ts'
