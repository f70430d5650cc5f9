/** What predefined variables of clients stand for; undefined where the file belongs to no project. */
export interface Predefined {
  userHome: string
  workspaceFolder: string | undefined
}

export type Translated = { text: string; variables: string[] } | { problem: string }

const ANY = /\$\{([^{}]*)\}/g
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * A text with the variables of clients as skein writes them: `${env:X}` becomes `${X}`, `${X}` and `${X:-default}` stay, predefined
 * ones such as `${workspaceFolder}` are replaced. What a client would ask its user for is a problem. `variables` are those that
 * must be set where the node runs.
 */
export function translateVariables(text: string, predefined: Predefined): Translated {
  const variables: string[] = []
  let problem: string | undefined
  const translated = text.replaceAll(ANY, (whole: string, body: string) => {
    const name = body.startsWith('env:') ? body.slice(4) : body
    const [plain = '', fallback] = splitDefault(name)
    const value = body.startsWith('env:') ? undefined : known(body, predefined)
    if (value !== undefined) return value
    if (NAME.test(plain)) {
      if (body === 'workspaceFolder' || body === 'workspaceFolderBasename') problem ??= `${whole} has no meaning here: write the path`
      else if (fallback === undefined) variables.push(plain)
      return `\${${name}}`
    }
    if (body.startsWith('input:')) {
      const suggestion = body.slice(6).toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')
      problem ??= `${whole} asks its user: put the value into an environment variable, such as ${suggestion}, and write \${${suggestion}} in the client's file`
    } else if (body.includes(':')) problem ??= `${whole} is a variable that only the client knows: write the value`
    return whole
  })
  return problem === undefined ? { text: translated, variables } : { problem }
}

function splitDefault(name: string): [string, string | undefined] {
  const at = name.indexOf(':-')
  return at < 0 ? [name, undefined] : [name.slice(0, at), name.slice(at + 2)]
}

function known(name: string, { userHome, workspaceFolder }: Predefined): string | undefined {
  switch (name) {
    case 'userHome':
      return userHome
    case 'workspaceFolder':
      return workspaceFolder
    case 'workspaceFolderBasename':
      return workspaceFolder?.split(/[\\/]/).at(-1)
    case 'pathSeparator':
    case '/':
      return '/'
    default:
      return undefined
  }
}
