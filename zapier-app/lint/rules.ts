/**
 * The publishing rules that Zapier checks on its own servers, as far as a definition alone can break them: their check of
 * the same name says what it is about. A finding is one line: where, and what to do.
 */
import { dataFields, stepsOf } from './definition.ts'
import type { Definition, Field, Placed, SearchOrCreate } from './definition.ts'

export interface Rule {
  readonly id: string
  readonly title: string
  readonly findings: (app: Definition) => readonly string[]
}

/** Small words that Title Case leaves alone. */
const SMALL = new Set(['a', 'an', 'and', 'at', 'by', 'for', 'in', 'of', 'on', 'or', 'the', 'to', 'with'])

const inEach = (look: (placed: Placed) => readonly (string | false)[]) => (app: Definition) =>
  stepsOf(app).flatMap((placed) =>
    look(placed)
      .filter((finding) => finding !== false)
      .map((finding) => `${placed.at}: ${finding}`),
  )

const inEachSearchOrCreate = (
  app: Definition,
  look: (display: SearchOrCreate['display']) => readonly (string | false)[],
): readonly string[] =>
  Object.entries(app.searchOrCreates).flatMap(([key, { display }]) =>
    look(display)
      .filter((finding) => finding !== false)
      .map((finding) => `searchOrCreates.${key}: ${finding}`),
  )

const sentenceFindings = (kind: Placed['kind'], description: string): readonly (string | false)[] => [
  !description.endsWith('.') && 'the description needs a full stop',
  kind === 'triggers' && !description.startsWith('Triggers when ') && 'the description begins with "Triggers when"',
  kind !== 'triggers' &&
    !/^[A-Z][a-z]+s /.test(description) &&
    'the description begins with what it does, such as "Creates"',
]

const inputs = ({ step }: Placed): readonly Field[] => dataFields(step.operation.inputFields)
const isHook = ({ step }: Placed): boolean => step.operation.type === 'hook'

/** Every text that a person reads, with its place. */
function textsOf(app: Definition): readonly (readonly [at: string, text: string])[] {
  const fields = (at: string, list: readonly Field[]): [string, string][] =>
    list.flatMap(({ key, helpText }) =>
      helpText === undefined ? [] : [[`${at}.${key}`, helpText] as [string, string]],
    )
  return [
    ...fields('authentication', app.authentication.fields ?? []),
    ...stepsOf(app).flatMap((placed) => [
      [placed.at, placed.step.display.description] as const,
      ...fields(placed.at, inputs(placed)),
    ]),
  ]
}

/** Strings anywhere in data. */
function stringsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(stringsIn)
}

const isTitleCase = (label: string): boolean =>
  label.split(/[\s(/]+/).every((word, place) => {
    const letters = word.replaceAll(/[^\p{L}]/gu, '')
    return letters === '' || (place > 0 && SMALL.has(letters)) || /^\p{Lu}/u.test(letters)
  })

const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d/
/** An instant that means the same everywhere. */
export const WITH_OFFSET = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/** By the type of a field. */
export const LOOKS_LIKE: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  text: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  datetime: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
  // Fetched when a step takes it: what is there without the app's help may be a page behind a login.
  file: (value) => typeof value === 'string' && value.startsWith('hydrate|||'),
}

/** A Zap's text links: `[words](https://…)`. */
const LINK = /\[([^\]]*)\]\(([^)\s]*)\)/g
const BARE_URL = /https?:\/\/\S+/

export const RULES: readonly Rule[] = [
  {
    id: 'D001',
    title: 'no action asks for a credential',
    findings: inEach((placed) =>
      inputs(placed).map(
        ({ key }) => /(api_?key|token|secret|password)/i.test(key) && `the input "${key}" belongs into authentication`,
      ),
    ),
  },
  {
    id: 'D002',
    title: 'fields of authentication say where to find what they ask for',
    findings: ({ authentication }) =>
      (authentication.fields ?? [])
        .filter(({ helpText = '' }) => helpText.match(LINK) === null)
        .map(({ key }) => `authentication.${key}: the help text needs a link`),
  },
  {
    id: 'D003',
    title: 'a connection is told from another',
    findings: ({ authentication: { connectionLabel: label } }) =>
      typeof label === 'function' || (typeof label === 'string' && /\{\{\w+\}\}/.test(label))
        ? []
        : ['authentication: connectionLabel needs something of the account, such as {{workspace}}'],
  },
  {
    id: 'D004',
    title: 'ids are chosen from a dropdown',
    findings: inEach((placed) =>
      inputs(placed).flatMap(({ key, label = '', dynamic, choices, search }) => [
        /_id$/.test(key) &&
          dynamic === undefined &&
          choices === undefined &&
          search === undefined &&
          `the input "${key}" needs a dropdown`,
        /\bID$/.test(label) && `the label "${label}" names an id; name the thing`,
      ]),
    ),
  },
  {
    id: 'D005',
    title: 'dropdowns lead to a trigger that is there',
    findings: (app) =>
      inEach((placed) =>
        inputs(placed).map(({ key, dynamic }) => {
          const [trigger = ''] = dynamic?.split('.') ?? []
          return (
            dynamic !== undefined &&
            !Object.hasOwn(app.triggers, trigger) &&
            `"${key}" leads to no trigger "${trigger}"`
          )
        }),
      )(app),
  },
  {
    id: 'D006',
    title: 'hooks can show what they would bring',
    findings: inEach((placed) => [
      isHook(placed) && placed.step.operation.performList === undefined && 'a hook needs performList',
    ]),
  },
  {
    id: 'D007',
    title: 'every address is encrypted',
    findings: (app) =>
      stringsIn(app)
        .filter((text) => /\bhttp:\/\//.test(text))
        .map((text) => `"${text.slice(0, 80)}" has an address with http://`),
  },
  {
    id: 'D008',
    title: 'links are Markdown',
    findings: (app) =>
      textsOf(app).flatMap(([at, text]) => {
        const rest = text.replaceAll(LINK, '').replaceAll(/`[^`]*`/g, '')
        const broken = [...text.matchAll(LINK)].filter(([, words, url]) => words === '' || !URL.canParse(url ?? ''))
        return [
          ...broken.map(([link]) => `${at}: "${link}" is no link`),
          ...(BARE_URL.test(rest) ? [`${at}: put a bare address into backticks, or make it a link`] : []),
        ]
      }),
  },
  {
    id: 'D009',
    title: 'a search asks for something',
    findings: inEach(({ kind, step }) => [
      kind === 'searches' && (step.operation.inputFields ?? []).length === 0 && 'a search needs an input',
    ]),
  },
  {
    id: 'D010',
    title: 'samples of triggers have an id',
    findings: inEach(({ kind, step }) => [
      kind === 'triggers' &&
        step.operation.sample !== undefined &&
        step.operation.sample['id'] === undefined &&
        'the sample needs "id"',
    ]),
  },
  {
    id: 'D011',
    title: 'help says more than the label',
    findings: inEach((placed) =>
      inputs(placed).map(
        ({ key, label = '', helpText = '' }) =>
          helpText !== '' && bare(helpText) === bare(label) && `the help of "${key}" only repeats its label`,
      ),
    ),
  },
  {
    id: 'D012',
    title: 'every step has a sample',
    findings: inEach(({ step: { operation } }) => [
      (operation.sample === undefined || Object.keys(operation.sample).length === 0) && 'a sample is missing',
    ]),
  },
  {
    id: 'D013',
    title: 'search buttons lead to a search that is there',
    findings: (app) =>
      inEach((placed) =>
        inputs(placed).map(({ key, search }) => {
          const [name = ''] = search?.split('.') ?? []
          const isThere = Object.hasOwn(app.searches, name) || Object.hasOwn(app.searchOrCreates, name)
          return search !== undefined && !isThere && `"${key}" leads to no search "${name}"`
        }),
      )(app),
  },
  {
    id: 'D014',
    title: 'a search button has a dropdown beside it',
    findings: inEach((placed) =>
      inputs(placed).map(
        ({ key, search, dynamic }) =>
          search !== undefined && dynamic === undefined && `"${key}" has a search and no dropdown`,
      ),
    ),
  },
  {
    id: 'D015',
    title: 'find-or-create joins a search and a create that are there',
    findings: (app) =>
      Object.entries(app.searchOrCreates).flatMap(([key, { search, create }]) => [
        ...(Object.hasOwn(app.searches, search) ? [] : [`searchOrCreates.${key}: there is no search "${search}"`]),
        ...(Object.hasOwn(app.creates, create) ? [] : [`searchOrCreates.${key}: there is no create "${create}"`]),
        ...(key === search ? [] : [`searchOrCreates.${key}: its key has to be "${search}"`]),
      ]),
  },
  {
    id: 'D016',
    title: 'an app is more than a hook that is pasted by hand',
    findings: (app) => {
      const steps = stepsOf(app).filter(({ step }) => step.display.hidden !== true)
      const byHand = (placed: Placed): boolean => isHook(placed) && placed.step.operation.performSubscribe === undefined
      return steps.length > 0 && steps.every(byHand) ? ['every step is a hook without subscription'] : []
    },
  },
  {
    id: 'D017',
    title: 'hooks subscribe and unsubscribe',
    findings: inEach((placed) => [
      isHook(placed) && placed.step.operation.performSubscribe === undefined && 'a hook needs performSubscribe',
      isHook(placed) && placed.step.operation.performUnsubscribe === undefined && 'a hook needs performUnsubscribe',
    ]),
  },
  {
    id: 'D018',
    title: 'labels are in Title Case',
    findings: (app) => [
      ...inEach((placed) => [
        !isTitleCase(placed.step.display.label) && `write "${placed.step.display.label}" in Title Case`,
        ...inputs(placed).map(({ label = '' }) => !isTitleCase(label) && `write "${label}" in Title Case`),
      ])(app),
      ...inEachSearchOrCreate(app, ({ label }) => [!isTitleCase(label) && `write "${label}" in Title Case`]),
    ],
  },
  {
    id: 'D021',
    title: 'descriptions are sentences of the usual form',
    findings: (app) => [
      ...inEach(({ kind, step: { display } }) => sentenceFindings(kind, display.description))(app),
      ...inEachSearchOrCreate(app, ({ description }) => sentenceFindings('searches', description)),
    ],
  },
  {
    id: 'D022',
    title: 'a create asks for something whatever is chosen',
    findings: inEach((placed) => [
      placed.kind === 'creates' && inputs(placed).length === 0 && 'a create needs an input that is always there',
    ]),
  },
  {
    id: 'D023',
    title: 'times in samples have their offset',
    findings: inEach(({ step }) =>
      stringsIn(step.operation.sample).map(
        (text) => DATE_TIME.test(text) && !WITH_OFFSET.test(text) && `write "${text}" with its offset`,
      ),
    ),
  },
  {
    id: 'D024',
    title: 'samples are what the output fields say',
    findings: inEach(({ step: { operation } }) => {
      const fields = dataFields(operation.outputFields)
      const sample = operation.sample ?? {}
      const known = new Set(fields.map(({ key }) => key))
      return [
        ...fields.map(({ key, type = 'string' }) => {
          const value = sample[key]
          if (value === undefined) return `the sample lacks "${key}"`
          return value !== null && LOOKS_LIKE[type]?.(value) !== true && `"${key}" of the sample is no ${type}`
        }),
        ...(fields.length === 0
          ? []
          : Object.keys(sample)
              .filter((key) => !known.has(key))
              .map((key) => `no output field says what "${key}" is`)),
      ]
    }),
  },
]

const bare = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '')

/** What all rules have to say, with their ids. */
export const lint = (app: Definition): readonly string[] =>
  RULES.flatMap(({ id, findings }) => findings(app).map((finding) => `${id} ${finding}`))
