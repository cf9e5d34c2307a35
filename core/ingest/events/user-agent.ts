/** What a user agent says of itself, in a few words. Order decides: browsers name those they are made of, too. Pure. */

export interface Agent {
  readonly device: 'desktop' | 'mobile' | 'tablet' | 'tv' | 'bot' | 'other'
  readonly browser: string | null
  readonly os: string | null
}

const BOT =
  /bot\b|bot[/_ -]|crawl|spider|slurp|archiver|monitor|preview|facebookexternalhit|feedfetcher|feedburner|rss|validator|headless|curl\/|wget\/|python|java\/|libwww|go-http|okhttp|axios|node-fetch|undici/i
const TABLET = /iPad|Tablet|PlayBook|Silk(?!.*Mobile)|Android(?!.*Mobile)/i
const MOBILE = /Mobi|iPhone|iPod|Android|Opera Mini|BlackBerry/i
const TV = /SmartTV|SMART-TV|AppleTV|GoogleTV|HbbTV|NetCast|BRAVIA|Roku/i

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg(?:e|A|iOS)?\//, 'Edge'],
  [/OPR\/|Opera/, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/YaBrowser\//, 'Yandex'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\/|Chromium\//, 'Chrome'],
  [/Version\/.*Safari\/|Safari\//, 'Safari'],
  [/MSIE |Trident\//, 'Internet Explorer'],
]
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/Windows/, 'Windows'],
  [/iPhone|iPad|iPod/, 'iOS'],
  [/Android/, 'Android'],
  [/CrOS/, 'ChromeOS'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/Linux|X11/, 'Linux'],
]

const firstOf = (table: readonly (readonly [RegExp, string])[], text: string): string | null =>
  table.find(([shape]) => shape.test(text))?.[1] ?? null

export function readAgent(text: string): Agent {
  if (BOT.test(text)) return { device: 'bot', browser: null, os: null }
  return { device: deviceOf(text), browser: firstOf(BROWSERS, text), os: firstOf(SYSTEMS, text) }
}

function deviceOf(text: string): Agent['device'] {
  if (TV.test(text)) return 'tv'
  if (TABLET.test(text)) return 'tablet'
  if (MOBILE.test(text)) return 'mobile'
  return /^(?:Mozilla|Opera)\//.test(text) ? 'desktop' : 'other'
}
