/** Where the installations of a file lead, against what the file lets them reach: private addresses, and a mail server. */
import type { AddressPolicy } from '../capabilities/addresses.ts'
import { addressPolicy } from '../capabilities/addresses.ts'
import type { ConfigProblem, KnownPlugin, NamedSetting } from './config.ts'
import type { ConfigTree, Path } from './document.ts'
import { formatPath } from './document.ts'
import { valueAt } from './explain.ts'
import { parseMailUrl } from './mail-settings.ts'

interface ReachInput {
  readonly tree: ConfigTree
  readonly value: unknown
  readonly plugins: readonly KnownPlugin[]
}

/** Names are not looked up: only addresses that stand in the file, and `localhost`, are known to be private. */
export function reachDoubts(input: ReachInput): readonly ConfigProblem[] {
  const { tree, value, plugins } = input
  const allow = ((valueAt(value, ['network', 'allow']) ?? []) as readonly string[]).slice()
  const policy = addressPolicy(allow)
  const list = valueAt(value, ['installations'])
  const ofInstallations = (Array.isArray(list) ? list : []).flatMap((_, index): readonly ConfigProblem[] => {
    const at: Path = ['installations', index]
    const plugin = plugins.find(({ id }) => id === valueAt(value, [...at, 'use']))
    const settings = (valueAt(value, [...at, 'with']) ?? {}) as Readonly<Record<string, unknown>>
    const survey = plugin?.survey?.(settings)
    if (plugin === undefined || survey === undefined) return []
    const inFile = (named: NamedSetting): NamedSetting => ({ ...named, path: [...at, 'with', ...named.path] })
    return [
      ...(plugin.sendsMail === true && valueAt(value, ['email']) === undefined ? [noMailServer(tree, at)] : []),
      ...survey.hosts.map(inFile).flatMap((named) => privateHost(tree, named, policy)),
      ...survey.ignored.map(inFile).map(({ path, name }) => ({
        place: tree.keyPlaceOf(path),
        path: formatPath(path),
        message: `does nothing beside "${name}"`,
        hint: `leave it out, or "${name}"`,
      })),
    ]
  })
  return [...ofInstallations, ...privateMailServer(input, allow)]
}

const noMailServer = (tree: ConfigTree, at: Path): ConfigProblem => ({
  place: tree.placeOf([...at, 'use']),
  path: formatPath([...at, 'use']),
  message: 'sends e-mail, and the file names no mail server',
  hint: 'add a section: email: { url: smtp://user:password@mail.example.org:587, from: Forms <forms@example.org> }',
})

const OWN_PORT = 443
const LOCAL_NAME = /^(.+\.)?localhost$/i

function privateHost(tree: ConfigTree, { path, name }: NamedSetting, policy: AddressPolicy): readonly ConfigProblem[] {
  const { hostname, port } = new URL(`https://${name}`)
  return refused(tree, { path, host: hostname, port: port === '' ? OWN_PORT : Number(port) }, policy)
}

function privateMailServer({ tree, value }: ReachInput, allow: readonly string[]): readonly ConfigProblem[] {
  const path = ['email', 'url']
  const url = valueAt(value, path)
  const server = typeof url === 'string' ? parseMailUrl(url) : null
  return server === null ? [] : refused(tree, { path, ...server }, addressPolicy(allow, { anyPort: true }))
}

interface Destination {
  readonly path: Path
  readonly host: string
  readonly port: number
}

function refused(tree: ConfigTree, { path, host, port }: Destination, policy: AddressPolicy): readonly ConfigProblem[] {
  const literal = LOCAL_NAME.test(host) ? '127.0.0.1' : host.replace(/^\[|\]$/g, '')
  const isAddress = /^[\d.]+$|:/.test(literal)
  const why = isAddress ? policy.refusal(literal, port) : null
  if (why === null) return []
  const hidden = tree.isExpanded(path)
  const place = tree.placeOf(path)
  const message = hidden ? 'leads to an address that the hub does not send to' : `the hub does not send there: ${why}`
  const cidr = hidden ? 'its network' : `"${literal}/${literal.includes(':') ? 128 : 32}"`
  return [{ place, path: formatPath(path), message, hint: `if it is meant: network: { allow: [${cidr}] }` }]
}
