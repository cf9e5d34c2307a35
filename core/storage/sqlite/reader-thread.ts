/** A connection that only reads, in a thread of its own, so that a long list never holds up a commit. */
import { parentPort, workerData } from 'node:worker_threads'
import { HubError } from '../../errors.ts'
import type { Procedure } from '../procedure.ts'
import { READS } from '../verbs.ts'
import { openReader } from './connection.ts'
import type { Connection } from './connection.ts'
import { failureOf } from './failures.ts'
import type { Failure } from './failures.ts'
import { databaseFile } from './files.ts'
import type { Call, FromThread, ThreadData, ToThread } from './messages.ts'

const { dir, limits } = workerData as ThreadData
const port = parentPort
if (port === null) throw new Error('reader-thread.ts runs only as a worker')
const say = (message: FromThread): void => port.postMessage(message)

let connection: Connection | undefined

port.on('message', (message: ToThread) => {
  if (message.kind === 'open') open()
  else if (message.kind === 'calls') read(message.calls)
  else close()
})

function open(): void {
  try {
    connection = openReader(databaseFile(dir).path, { busyTimeoutMs: limits.sqliteBusyTimeoutMs })
    say({ kind: 'ready', notes: [] })
  } catch (error) {
    say({ kind: 'refused', failure: failureOf(error) })
  }
}

function read(calls: readonly Call[]): void {
  if (connection === undefined) return
  const values: unknown[] = []
  let failures: (Failure | undefined)[] | null = null
  for (const [i, { verb, input }] of calls.entries()) {
    try {
      if (!Object.hasOwn(READS, verb)) throw new HubError('internal', `There is no procedure "${verb}".`)
      const procedure = READS[verb as keyof typeof READS] as (argument: unknown) => Procedure<unknown>
      values.push(connection.run(procedure(input)))
    } catch (error) {
      failures ??= []
      failures[i] = failureOf(error)
      values.push(undefined)
    }
  }
  say({ kind: 'results', values, failures })
}

function close(): void {
  connection?.db.close()
  connection = undefined
  say({ kind: 'closed' })
  port?.close()
}
