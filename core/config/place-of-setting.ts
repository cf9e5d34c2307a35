/** Where a setting of an installation stands in the file that runs. */
import { createHash } from 'node:crypto'
import { LIMITS } from '../limits.ts'
import type { HubConfig, Place } from './config.ts'
import { readDocument } from './document.ts'
import type { Path } from './document.ts'
import { readConfigText } from './read-text.ts'

/**
 * The place of the setting that a JSON pointer (RFC 6901) names in the installation's `with`, or of the nearest thing around
 * it. Null when the file is not the one any more that runs: its lines would mislead.
 */
export async function placeOfSetting(
  { file, checksum }: Pick<HubConfig, 'file' | 'checksum'>,
  { workspace, id, at }: { readonly workspace: string; readonly id: string; readonly at: string | undefined },
): Promise<Place | null> {
  const text = file === null ? null : await readConfigText(file)
  if (file === null || typeof text !== 'string') return null
  if (createHash('sha256').update(text).digest('hex') !== checksum) return null
  // Values do not matter here, so variables may be empty.
  const tree = readDocument({ file, text, env: {}, limits: LIMITS })
  const { installations } = (tree.value ?? {}) as { readonly installations?: readonly Entry[] }
  const index = (installations ?? []).findIndex(
    (item) => item.id === id && (item.workspace === undefined || item.workspace === workspace),
  )
  if (index < 0) return null
  const base = ['installations', index]
  return tree.placeOf(at === undefined || at === '' ? base : [...base, 'with', ...pathOf(at, installations?.[index])])
}

interface Entry {
  readonly id?: unknown
  readonly workspace?: unknown
  readonly with?: unknown
}

/** `/headers/0/name` as a path; a number counts as one only where there is a list. */
function pathOf(pointer: string, entry: Entry | undefined): Path {
  let value = entry?.with
  return pointer
    .slice(1)
    .split('/')
    .map((part) => {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      const step = Array.isArray(value) && /^\d+$/.test(name) ? Number(name) : name
      value = (value as Readonly<Record<string | number, unknown>> | null | undefined)?.[step]
      return step
    })
}
