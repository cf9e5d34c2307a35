/** Why a part of the page may not be made anew at the moment: somebody is at work in it. */
import type { El } from './dom.ts'

declare const document: { readonly activeElement: El | null }
declare function getSelection(): {
  readonly isCollapsed: boolean
  containsNode(node: El, isPartly: boolean): boolean
} | null

const CONTROLS = 'input,select,textarea'

/** In words that go on after "Updates held since 10:15:00"; null: nothing would be lost. */
export function holdOf(region: El): string | null {
  const active = document.activeElement
  const isAt = active?.matches(CONTROLS) === true && region.contains(active)
  if (isAt || [...region.querySelectorAll(CONTROLS)].some(isChanged)) return 'while a form is filled in'
  const selection = getSelection()
  if (selection?.isCollapsed === false && selection.containsNode(region, true)) return 'while text is selected'
  return null
}

/** Wherever the focus has gone since: it is not what the page came with. */
function isChanged(control: El): boolean {
  if (control.tagName === 'SELECT') {
    const options = [...control.querySelectorAll('option')]
    const isSaid = options.some(({ defaultSelected }) => defaultSelected)
    return options.some(({ selected, defaultSelected }, at) => selected !== (isSaid ? defaultSelected : at === 0))
  }
  return control.value !== valueAtFirst(control) || control.checked !== control.defaultChecked
}

/** A field of one line takes line breaks out of what it is given. */
const valueAtFirst = ({ tagName, defaultValue }: El): string | undefined =>
  tagName === 'INPUT' ? defaultValue?.replaceAll(/[\r\n]/g, '') : defaultValue
