/** Texts of the issue: rendered templates, and Atlassian's document format around them. */
import mustache from 'mustache'
import type { HubEvent, Json } from 'manifold/plugin'

/** Answers go in as they are: in a document of JIRA's they are text, whatever they look like. */
export const rendered = (template: string, event: Pick<HubEvent, 'data' | 'form' | 'response'>): string =>
  mustache.render(template, { ...event, answers: answersOf(event) }, undefined, { escape: textOf })

/** One paragraph a line. */
export const documentOf = (text: string): Json => ({
  type: 'doc',
  version: 1,
  content: text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({ type: 'paragraph', content: [{ type: 'text', text: line }] })),
})

/** In the order of the form, with the questions as people read them. */
const answersOf = ({ data = {}, form }: Pick<HubEvent, 'data' | 'form'>) =>
  Object.entries(data).map(([key, value]) => ({
    label: form?.fields.find((field) => field.key === key)?.label ?? key,
    value,
  }))

const textOf = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
