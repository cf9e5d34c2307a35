/** An installation that somebody is about to write into the file: held against everything the file itself would be. */
import { stringify } from 'yaml'
import type { ConfigProblem, HubConfig } from '../config/config.ts'
import { readDocument } from '../config/document.ts'
import { loadConfig } from '../config/load.ts'
import { LIMITS } from '../limits.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { WorkspaceId } from '../model.ts'
import type { Assembly } from './assemble.ts'
import { knownPlugins } from './schemas.ts'

export interface PieceProblem {
  /** A JSON pointer into the installation. */
  readonly pointer: string
  readonly message: string
  readonly hint: string | null
}

export interface CheckedPiece {
  readonly problems: readonly PieceProblem[]
  /** Allowed, and most likely slips. */
  readonly warnings: readonly PieceProblem[]
  /** The installation as a piece of the file. */
  readonly yaml: string
}

export interface PieceInput {
  readonly assembly: Assembly
  readonly env: Readonly<Record<string, string | undefined>>
  readonly workspace: WorkspaceId
  /** As it would stand below `installations:`; its workspace is the one above. */
  readonly piece: Readonly<Record<string, unknown>>
  /** It takes the place of the one with its id. */
  readonly replaces: boolean
  /** Which of the doubts hold beside the forms that are stored. */
  readonly doubtsLeft: (doubts: readonly ConfigProblem[]) => Promise<readonly ConfigProblem[]>
}

/** Changes nothing. */
export async function checkPiece(input: PieceInput): Promise<CheckedPiece> {
  const { assembly, env, workspace } = input
  const piece = workspace === DEFAULT_WORKSPACE ? input.piece : { ...input.piece, workspace }
  const entry = { installations: [piece] }
  const result = await loadConfig({
    file: null,
    text: JSON.stringify({ ...others(assembly.config), ...entry }),
    env,
    plugins: knownPlugins(assembly.plugins, assembly.brokenPlugins, assembly.kept.schemas),
  })
  const own = (problems: readonly ConfigProblem[]): readonly PieceProblem[] =>
    problems.flatMap(({ path, message, hint }) => {
      const inside = path === PREFIX ? '' : path.startsWith(PREFIX) ? path.slice(PREFIX.length) : null
      return inside === null ? [] : [{ pointer: pointerOf(inside), message, hint }]
    })
  const problems =
    'problems' in result ? result.problems : result.config.quarantined.flatMap(({ problems: found }) => found)
  const taken = input.replaces ? [] : takenBy(assembly, workspace, piece['id'])
  return {
    problems: [...taken, ...own(problems)],
    warnings: 'problems' in result ? [] : own(await input.doubtsLeft(result.doubts)),
    yaml: stringify(entry, { lineWidth: 0 }),
  }
}

const PREFIX = 'installations[0]'

/** The rest of the file: forms, hosts and mail that an installation is held against. Plugins are known already. */
function others({ text }: HubConfig): object {
  const { value } = readDocument({ file: '', text, env: null, limits: LIMITS })
  const { pluginDirs: _dirs, ...rest } = (value ?? {}) as Readonly<Record<string, unknown>>
  return rest
}

function takenBy({ config }: Assembly, workspace: WorkspaceId, id: unknown): readonly PieceProblem[] {
  const all = [...config.installations, ...config.quarantined]
  return all.some((each) => each.workspace === workspace && each.id === id)
    ? [{ pointer: '/id', message: `the id "${String(id)}" is taken`, hint: 'give each installation its own id' }]
    : []
}

/** `.with["a/b"][0]` as a JSON pointer. */
function pointerOf(path: string): string {
  const parts = [...path.matchAll(/\.([A-Za-z_$][\w$-]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)]
  return parts
    .map(([, word, index, quoted]) => word ?? index ?? (JSON.parse(quoted ?? '""') as string))
    .map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
}
