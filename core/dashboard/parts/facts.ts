/** Names with values, numbers at a glance, text as it is, and boxes around them. */
import { html } from '../../html.ts'
import type { Html, Part } from '../../html.ts'

/** What is known of one thing. Facts without a value are left out. */
export const facts = (all: readonly (readonly [label: string, value: Part])[]): Html =>
  html`<dl class="facts">${all.map(([label, value]) => (value === null ? null : html`<div><dt>${label}</dt><dd>${value}</dd></div>`))}</dl>`

export interface Figure {
  readonly label: string
  readonly value: string
  readonly note?: Part
  readonly href?: string
  readonly tone?: 'bad' | 'warn'
}

/** Headline numbers in a row. */
export const figures = (all: readonly Figure[]): Html =>
  html`<ul class="figures">${all.map(({ label, value, note, href, tone }) => {
    const inside = html`<span class="label">${label}</span><span class="value${tone === undefined ? '' : ` ${tone}`}">${value}</span>${note === undefined ? null : html`<span class="note">${note}</span>`}`
    return html`<li>${href === undefined ? html`<div class="figure">${inside}</div>` : html`<a class="figure" href="${href}">${inside}</a>`}</li>`
  })}</ul>`

/** A section of a page. */
export const section = (title: string, body: Part, more: Part = null): Html =>
  html`<section><div class="section-head"><h2>${title}</h2>${more}</div>${body}</section>`

/** Text that keeps its lines; JSON is laid out. */
export const code = (text: string): Html =>
  html`<div class="code"><pre tabindex="0"><code>${pretty(text)}</code></pre></div>`

function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** An id or name in a line of text. */
export const mono = (text: string): Html => html`<code>${text}</code>`

/** A note that asks for attention. */
export const notice = (tone: 'bad' | 'warn' | 'info' | 'good', body: Part): Html =>
  html`<div class="notice ${tone}"><div>${body}</div></div>`
