/** `manifold plugin top`: who uses what at the moment, the hungriest first. */
import type { Call, Run } from './call.ts'
import { connect } from './hub-client.ts'
import { installationList, pluginUsageList } from './rows.ts'
import type { UsageRow } from './rows.ts'

interface Item {
  readonly id: string
  readonly state: string | null
  readonly plugin: string | null
  readonly reason: string | null
  readonly usage: UsageRow | null
}

const MINUTE_MS = 60_000
const MB = 1_048_576

export const run: Run = async (call) => {
  const items = await (call.options['plugins'] ? plugins(call) : installations(call))
  const cpuMs = (item: Item): number => item.usage?.last_minute.cpu_ms ?? 0
  const allMs = items.reduce((sum, item) => sum + cpuMs(item), 0)
  const sorted = items
    .toSorted((one, other) => cpuMs(other) - cpuMs(one) || (one.id < other.id ? -1 : 1))
    .map((item) => ({ ...item, cpu_share: allMs === 0 ? 0 : cpuMs(item) / allMs }))
  const { terminal } = call
  if (call.options['json']) return terminal.json({ items: sorted, next_cursor: null })
  const isByPlugin = call.options['plugins'] === true
  terminal.table(
    [
      ...(isByPlugin ? ['plugin'] : ['installation', 'plugin', 'state']),
      'points',
      'share',
      'cpu',
      'runs/min',
      'failed/min',
      'http/min',
      'ops/min',
      'heap',
      'cpu in all',
      'breaches',
    ],
    sorted.map((item) => [
      item.id,
      ...(isByPlugin
        ? []
        : [item.plugin, terminal.paint(item.state === 'ready' ? 'green' : 'yellow', `${item.state}`)]),
      ...cellsOf(item.usage, item.cpu_share),
    ]),
  )
  for (const { id, reason } of sorted) if (reason !== null) terminal.line(`${id}: ${reason}`)
  for (const { id, usage } of sorted) if (usage === null) terminal.say(`${id}: no process that runs it could be asked`)
}

async function installations(call: Call): Promise<readonly Item[]> {
  const { items } = await connect(call).request('GET', '/api/v2/installations', { as: installationList })
  return items.map(({ id, state, plugin, reason, usage }) => ({ id, state, plugin, reason, usage }))
}

/** Those in use. */
async function plugins(call: Call): Promise<readonly Item[]> {
  const { items } = await connect(call).request('GET', '/api/v2/plugins', { as: pluginUsageList })
  return items
    .filter(({ usage }) => usage !== null)
    .map(({ id, usage }) => ({ id, state: null, plugin: null, reason: null, usage }))
}

function cellsOf(usage: UsageRow | null, share: number): readonly (string | number | null)[] {
  if (usage === null) return []
  const { last_minute: minute } = usage
  return [
    `${usage.points}/${usage.points_max}`,
    `${Math.round(share * 100)} %`,
    // Of one core.
    `${((minute.cpu_ms / MINUTE_MS) * 100).toFixed(1)} %`,
    minute.runs,
    minute.failed,
    minute.http_calls,
    minute.host_ops,
    `${(usage.heap_bytes / MB).toFixed(1)} MB`,
    `${(usage.cpu_ms / 1_000).toFixed(1)} s`,
    Object.entries(usage.breaches)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${count} ${name}`)
      .join(', '),
  ]
}
