/** The file that runs beside the one on disk, setting by setting, as far as it is a workspace's. */
import { readConfigText } from '../config/read-text.ts'
import { readTyped } from '../config/typed-settings.ts'
import type { SettingOwner, TypedFile, TypedSetting } from '../config/typed-settings.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { WorkspaceId } from '../model.ts'
import type { Assembly } from './assemble.ts'
import { knownPlugins } from './schemas.ts'

export interface ConfigLinesQuery {
  readonly workspace: WorkspaceId
  /** Only what belongs to this one. */
  readonly of?: Omit<NonNullable<SettingOwner>, 'workspace'> | undefined
}

/** A setting of the file that runs, of the one on disk, or of both. */
export interface ConfigLine {
  readonly name: string
  readonly onDisk: 'same' | 'changed' | 'gone' | 'new'
  /** As it runs; null: it is new on disk. */
  readonly running: Pick<TypedSetting, 'value' | 'line' | 'column'> | null
  /** As it is on disk; null: it is not there any more, or the file cannot be read. */
  readonly disk: Pick<TypedSetting, 'value' | 'line' | 'column'> | null
}

export interface ConfigLines {
  readonly file: string | null
  /** The file on disk can be read as YAML. */
  readonly isReadable: boolean
  readonly lines: readonly ConfigLine[]
  /** Of what was asked for, as a piece of the file; null: nothing in particular was, or the file has it not. */
  readonly yaml: string | null
  readonly piece: unknown
}

/** Reads the file on disk anew. */
export async function configLines(assembly: Assembly, query: ConfigLinesQuery): Promise<ConfigLines> {
  const { file, text } = assembly.config
  if (file === null) return { file, isReadable: true, lines: [], yaml: null, piece: null }
  const plugins = knownPlugins(assembly.plugins, assembly.brokenPlugins, assembly.kept.schemas)
  const running = readTyped({ file, text, plugins })
  const now = await readConfigText(file)
  const disk = typeof now === 'string' ? (now === text ? running : readTyped({ file, text: now, plugins })) : null
  const owner = query.of === undefined ? null : { ...query.of, workspace: query.workspace }
  return {
    file,
    isReadable: disk !== null,
    lines: compared(running, disk, (setting) => isShown(setting.owner, query)),
    yaml: owner === null ? null : (running?.yamlOf(owner) ?? null),
    piece: owner === null ? null : (running?.pieceOf(owner) ?? null),
  }
}

/** What is nobody's in particular is shown to the operator's workspace. */
function isShown(owner: SettingOwner, { workspace, of }: ConfigLinesQuery): boolean {
  if (of !== undefined) return owner?.workspace === workspace && owner.kind === of.kind && owner.id === of.id
  return (owner?.workspace ?? DEFAULT_WORKSPACE) === workspace
}

function compared(
  running: TypedFile | null,
  disk: TypedFile | null,
  isWanted: (setting: TypedSetting) => boolean,
): readonly ConfigLine[] {
  const there = new Map(disk?.settings.filter(isWanted).map((setting) => [setting.name, setting]))
  const lines = (running?.settings ?? []).filter(isWanted).map((setting): ConfigLine => {
    const other = there.get(setting.name) ?? null
    there.delete(setting.name)
    const isSame = other !== null && JSON.stringify(running?.rawOf(setting)) === JSON.stringify(disk?.rawOf(other))
    const onDisk = disk === null || isSame ? 'same' : other === null ? 'gone' : 'changed'
    return { name: setting.name, onDisk, running: spot(setting), disk: other === null ? null : spot(other) }
  })
  return [
    ...lines,
    ...[...there.values()].map((setting): ConfigLine => ({
      name: setting.name,
      onDisk: 'new',
      running: null,
      disk: spot(setting),
    })),
  ]
}

const spot = ({ value, line, column }: TypedSetting): Pick<TypedSetting, 'value' | 'line' | 'column'> => ({
  value,
  line,
  column,
})
