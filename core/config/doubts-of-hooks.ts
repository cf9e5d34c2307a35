/** Programs outside get blanks for what their installation may not see: said before somebody looks for an answer that never comes. */
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { FormDefinition } from '../model.ts'
import type { ConfigProblem, KnownPlugin } from './config.ts'
import type { ConfigTree, Path } from './document.ts'
import { formatPath } from './document.ts'
import { valueAt } from './explain.ts'

interface HooksInput {
  readonly tree: ConfigTree
  readonly value: unknown
  readonly forms: ReadonlyMap<string, Pick<FormDefinition, 'fields'>>
  readonly plugins: readonly KnownPlugin[]
}

/** So many forms are named. */
const FORMS_TOLD_MAX = 3

/**
 * Of an installation that says nothing of `pii`; who writes false means it. Forms that are not in the file are not known here. Those of
 * the file are the default workspace's. */
export function hookDoubts({ tree, value, forms, plugins }: HooksInput): readonly ConfigProblem[] {
  const list = valueAt(value, ['installations'])
  return (Array.isArray(list) ? list : []).flatMap((_, index): readonly ConfigProblem[] => {
    const at: Path = ['installations', index]
    const plugin = plugins.find(({ id }) => id === valueAt(value, [...at, 'use']))
    if (plugin?.carriesHooks !== true || valueAt(value, [...at, 'pii']) !== undefined) return []
    if ((valueAt(value, [...at, 'workspace']) ?? DEFAULT_WORKSPACE) !== DEFAULT_WORKSPACE) return []
    const only = valueAt(value, [...at, 'when', 'form']) as string | readonly string[] | undefined
    const asked = only === undefined ? [...forms.keys()] : [only].flat()
    const blank = asked.flatMap((form) => blanksOf(form, forms))
    if (blank.length === 0) return []
    const rest = blank.length - FORMS_TOLD_MAX
    const told = [...blank.slice(0, FORMS_TOLD_MAX), ...(rest > 0 ? [`fields of ${rest} more`] : [])].join('; ')
    return [
      {
        place: tree.placeOf([...at, 'use']),
        path: formatPath([...at, 'use']),
        message: `hooks will be sent blanks for what is marked pii: ${told}`,
        hint: 'add pii: true to the installation, or pii: false if blanks are meant',
      },
    ]
  })
}

function blanksOf(form: string, forms: HooksInput['forms']): readonly string[] {
  const keys = (forms.get(form)?.fields ?? []).filter(({ pii }) => pii).map(({ key }) => `"${key}"`)
  return keys.length === 0 ? [] : [`${keys.join(', ')} of the form "${form}"`]
}
