/** `manifold runs list|show`: what plugins did, and why they failed. */
import type { Call, Run } from './call.ts'
import { textOption, timeOption } from './call.ts'
import { listLimit } from './deliveries.ts'
import { connect } from './hub-client.ts'
import { refuseUnknownResponse } from './known-response.ts'
import type { RunDetail, RunRow } from './rows.ts'
import { runDetail, runPage } from './rows.ts'
import { oneLine } from './terminal.ts'
import type { Painted, Terminal } from './terminal.ts'

export const list: Run = async (call) => {
  const nowMs = Date.now()
  const names = ['installation', 'event', 'delivery', 'response', 'kind']
  const query = {
    ...Object.fromEntries(names.map((name) => [name, textOption(call, name)])),
    outcome: call.options['failed'] ? 'failed' : undefined,
    since: timeOption(call, 'since', nowMs),
    until: timeOption(call, 'until', nowMs),
  }
  const hub = connect(call)
  const page = await hub.list('/api/v2/runs', query, { as: runPage, limit: listLimit(call) })
  const response = textOption(call, 'response')
  if (page.items.length === 0 && response !== undefined) await refuseUnknownResponse(hub, response)
  if (call.options['json']) return call.terminal.json(page)
  runTable(call, page.items)
  if (page.next_cursor !== null) call.terminal.say('There are more; --limit shows them.')
  const { event, delivery } = query as Readonly<Record<string, string | undefined>>
  if (page.items.length > 0 || (event ?? delivery) === undefined) return
  call.terminal.say('Under load only some runs are recorded; every attempt of a delivery is:')
  call.terminal.say(`  → manifold deliveries ${delivery === undefined ? `--event ${event}` : `show ${delivery}`}`)
}

function runTable({ terminal }: Call, rows: readonly RunRow[]): void {
  terminal.table(
    ['id', 'started', 'installation', 'what', 'outcome', 'ms', 'logs', 'effects', 'more like it', 'why'],
    rows.map((row) => [
      row.id,
      row.started_at,
      row.installation,
      `${row.kind} ${row.name}`,
      outcomeOf(terminal, row),
      Math.round(row.duration_ms),
      row.logs.length,
      row.effects.length,
      row.more === 0 ? null : row.more,
      row.error,
    ]),
  )
}

/** Of a transform what it came to: that it ran well says nothing of the response. */
function outcomeOf(terminal: Terminal, { kind, outcome, items }: RunRow): Painted {
  const verdict = (kind === 'transform' ? items[0]?.outcome : null) ?? outcome
  const isWell = verdict === 'ok' || verdict === 'kept' || verdict === 'changed'
  return terminal.paint(outcome === 'failed' ? 'red' : isWell ? 'green' : 'yellow', verdict)
}

export const show: Run = async (call) => {
  const [id = ''] = call.args
  const run = await connect(call).request('GET', `/api/v2/runs/${encodeURIComponent(id)}`, { as: runDetail })
  const { terminal } = call
  if (call.options['json']) return terminal.json(run)
  const line = (text: string): void => terminal.line(oneLine(text))
  const outcome = terminal.paint(run.outcome === 'ok' ? 'green' : 'red', run.outcome)
  terminal.line(oneLine(`${run.id}: ${run.kind} ${run.name} of ${run.installation} `), outcome)
  line(`  ${run.plugin} ${run.version} (${run.bundle}), attempt ${run.attempt}, started ${run.started_at}`)
  line(`  took ${Math.round(run.duration_ms)} ms, ${run.cpu_ms} ms of CPU`)
  if (run.more > 0) line(`  ${run.more} more like it followed and were not recorded`)
  if (run.error !== null) {
    terminal.line('')
    line(`error: ${run.error_code ?? ''}: ${run.error}`)
    for (const frame of run.stack?.split('\n') ?? []) line(`  ${frame}`)
  }
  section(call, 'about', run.items.map(run.kind === 'transform' ? lookText : itemText))
  section(call, 'input', [run.input_missing ?? JSON.stringify(run.input)])
  if (run.withheld.length > 0)
    line(`  without ${run.withheld.join(', ')}: marked pii, and the installation does not say pii: true`)
  section(call, 'logs', run.logs.map(logText))
  section(call, 'requests', run.requests.map(requestText))
  section(call, 'effects', run.effects.map(effectText))
  if (run.left_out > 0) line(`\n${run.left_out} more lines, requests or effects were too many to be kept`)
}

/** A heading with its lines; nothing when there are none. */
function section({ terminal }: Call, title: string, lines: readonly string[]): void {
  if (lines.length === 0) return
  terminal.line('')
  terminal.line(terminal.paint('bold', `${title}:`))
  for (const line of lines) terminal.line(oneLine(`  ${line}`))
}

const itemText = ({ event_id: event, delivery_id: delivery, outcome }: RunDetail['items'][number]): string =>
  [event && `event ${event}`, delivery && `delivery ${delivery}`, outcome].filter(Boolean).join(', ')

/** The event is that of the response. */
const lookText = ({ response_id: response, outcome }: RunDetail['items'][number]): string =>
  [response && `response ${response}`, outcome].filter(Boolean).join(', ')

const logText = ({ level, message, fields, at }: RunDetail['logs'][number]): string =>
  `${level}: ${at === undefined ? '' : `${at} `}${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`

const requestText = (request: RunDetail['requests'][number]): string =>
  `${request.method} ${request.url}: ${request.status ?? request.error ?? 'no answer'} in ${Math.round(request.duration_ms)} ms`

/** Of a key that may hold answers. */
const UNSEEN = '(a key for responses:read)'

function effectText(effect: RunDetail['effects'][number]): string {
  switch (effect.kind) {
    case 'enqueue': {
      const became =
        effect.delivery === null ? 'made before, so not again' : `${effect.delivery_id} ${effect.delivery.state}`
      return `enqueue ${effect.action} as ${effect.key ?? UNSEEN}: ${became}`
    }
    case 'kv':
      return effect.bytes === null
        ? `kv delete ${effect.key ?? UNSEEN}`
        : `kv set ${effect.key ?? UNSEEN} (${effect.bytes} bytes)`
    case 'change': {
      const became = effect.bytes === null ? 'taken away' : `${effect.bytes} bytes`
      return `change ${effect.part}.${effect.key} (${became})`
    }
    case 'emit':
      return `emit ${effect.type}: ${effect.event_id}`
    default:
      return `${effect.kind} ${effect.name} ${effect.by}`
  }
}
