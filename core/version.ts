/** The product's version, from package.json; the plugin API has its own (`HUB_API_VERSION`). */
import manifest from '../package.json' with { type: 'json' }

export const HUB_VERSION: string = manifest.version
