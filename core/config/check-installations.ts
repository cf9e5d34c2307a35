/** What is wrong inside single installations: each list of problems sets only its own installation aside. */
import type { ConfigProblem, KnownPlugin } from './config.ts'
import { convertExpanded } from './convert.ts'
import type { ConfigTree, Path } from './document.ts'
import { formatPath } from './document.ts'
import { valueAt } from './explain.ts'
import { checkFilter } from './filter-problems.ts'
import { handlerType } from '../routing/match.ts'
import { didYouMean } from './suggest.ts'

export interface CheckInput {
  readonly tree: ConfigTree
  /** The parsed file; values of `with` that came from variables are turned into what the plugin's schema wants. */
  readonly value: unknown
  readonly plugins: readonly KnownPlugin[]
}

/** Problems by index in the list; installations without any are not in the map. */
export function checkInstallations(input: CheckInput): ReadonlyMap<number, readonly ConfigProblem[]> {
  const list = valueAt(input.value, ['installations'])
  const found = new Map<number, readonly ConfigProblem[]>()
  for (const [index, raw] of (Array.isArray(list) ? list : []).entries()) {
    if (raw === null || typeof raw !== 'object' || Array.isArray(raw)) continue
    const prefix = `installations[${index}]`
    const missing = input.tree.missing.filter(
      (problem) =>
        problem.path === prefix || problem.path.startsWith(`${prefix}.`) || problem.path.startsWith(`${prefix}[`),
    )
    const silent = new Set(missing.map((problem) => problem.path))
    const others = [...checkUse(input, index), ...checkWhen(input, index)].filter(
      (problem) => !silent.has(problem.path),
    )
    const problems = [...missing, ...others]
    if (problems.length > 0) found.set(index, problems)
  }
  return found
}

function checkUse({ tree, value, plugins }: CheckInput, index: number): ConfigProblem[] {
  const at: Path = ['installations', index]
  const use = valueAt(value, [...at, 'use'])
  if (typeof use !== 'string') return []
  const plugin = plugins.find((candidate) => candidate.id === use)
  if (!plugin) {
    const ids = plugins.map((candidate) => candidate.id)
    const hidden = tree.isExpanded([...at, 'use'])
    const hint =
      (hidden ? null : didYouMean(use, ids)) ??
      (ids.length > 0 ? `there are: ${ids.toSorted().join(', ')}` : 'no plugin was found')
    return [
      {
        place: tree.placeOf([...at, 'use']),
        path: formatPath([...at, 'use']),
        message: hidden ? 'there is no such plugin' : `there is no plugin "${use}"`,
        hint,
      },
    ]
  }
  if (plugin.broken) {
    const place = tree.placeOf([...at, 'use'])
    return plugin.broken.map((message) => ({
      place,
      path: formatPath([...at, 'use']),
      message: `the plugin "${use}" is broken: ${message}`,
      hint: null,
    }))
  }
  const one = { tree, value, plugin, index }
  return [...checkSettings(one), ...checkEvents(one), ...checkCarrier(one, plugins)]
}

interface CheckOne {
  readonly tree: ConfigTree
  readonly value: unknown
  readonly plugin: KnownPlugin
  readonly index: number
}

function checkSettings({ tree, value, plugin, index }: CheckOne): ConfigProblem[] {
  const at: Path = ['installations', index]
  const settings = valueAt(value, [...at, 'with']) ?? {}
  if (typeof settings !== 'object' || Array.isArray(settings)) return []
  for (;;) {
    const problems = plugin.checkWith(settings as Record<string, unknown>, (path) =>
      tree.isExpanded([...at, 'with', ...path]),
    )
    const converted = problems.filter((problem) =>
      convertExpanded(tree, value, { path: [...at, 'with', ...problem.path], wants: problem.wants }),
    )
    if (converted.length > 0) continue
    return problems.map((problem) => {
      const path = [...at, 'with', ...problem.path]
      const whole = typeof valueAt(value, path) === 'object'
      const place = problem.onKey || whole ? tree.keyPlaceOf(path) : tree.placeOf(path)
      return { place, path: formatPath(path), message: problem.message, hint: problem.hint }
    })
  }
}

/** Narrowing to an event the plugin does not handle would leave an installation that never does anything. */
function checkEvents({ tree, value, plugin, index }: CheckOne): ConfigProblem[] {
  const { events } = plugin
  const at: Path = ['installations', index, 'when', 'event']
  const wanted = valueAt(value, at)
  if (!events || wanted === undefined) return []
  const on = Object.fromEntries(events.map((type) => [type, true]))
  const list: [Path, unknown][] = Array.isArray(wanted) ? wanted.map((type, n) => [[...at, n], type]) : [[at, wanted]]
  return list.flatMap(([path, type]) => {
    if (typeof type !== 'string' || handlerType(on, type) !== undefined) return []
    const hidden = tree.isExpanded(path)
    const hint =
      (hidden ? null : didYouMean(type, events)) ??
      (events.length > 0 ? `it handles ${events.join(', ')}` : 'it handles no events')
    return [
      {
        place: tree.placeOf(path),
        path: formatPath(path),
        message: `the plugin "${plugin.id}" does not handle ${hidden ? 'this' : `"${type}"`}`,
        hint,
      },
    ]
  })
}

/** Two that send to hooks would each send everything, and tell each other of what failed. */
function checkCarrier({ tree, value, plugin, index }: CheckOne, plugins: readonly KnownPlugin[]): ConfigProblem[] {
  if (plugin.carriesHooks !== true) return []
  const carriers = new Set(plugins.filter(({ carriesHooks }) => carriesHooks === true).map(({ id }) => id))
  const workspaceOf = (n: number): unknown => valueAt(value, ['installations', n, 'workspace']) ?? 'default'
  const first = Array.from({ length: index }, (_, n) => n).find(
    (n) => workspaceOf(n) === workspaceOf(index) && carriers.has(String(valueAt(value, ['installations', n, 'use']))),
  )
  if (first === undefined) return []
  const path = ['installations', index, 'use']
  const { line } = tree.placeOf(['installations', first])
  return [
    {
      place: tree.placeOf(path),
      path: formatPath(path),
      message: `the hooks of the workspace are sent to by another installation already (line ${line}): each would get everything twice`,
      hint: 'one is enough for all programs; remove this one',
    },
  ]
}

function checkWhen({ tree, value }: CheckInput, index: number): ConfigProblem[] {
  const at: Path = ['installations', index, 'when', 'filter']
  const filter = valueAt(value, at)
  if (filter === undefined || filter === null) return []
  return checkFilter(filter).map((problem) => {
    const path = [...at, ...problem.path]
    return { place: tree.keyPlaceOf(path), path: formatPath(path), message: problem.message, hint: null }
  })
}
