/** Links and headings of the Markdown files of this repository. */
import { readFileSync } from 'node:fs'
import { dirname, normalize } from 'node:path'

export interface RelativeLink {
  /** The link as the file has it. */
  target: string
  /** The linked file, from the top of the repository. */
  path: string
  /** The heading after `#`; undefined where the link is to a whole file. */
  anchor: string | undefined
}

/** Markdown without its code, whose brackets are not links. */
function withoutCode(text: string): string {
  return text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '').replaceAll(/`[^`\n]*`/g, '')
}

/** All links and images of a Markdown file that point into the repository. */
export function relativeLinks(file: string): RelativeLink[] {
  const links = [...withoutCode(readFileSync(file, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)].map(
    ([, target = '']) => target,
  )
  return links
    .filter(target => !/^[a-z]+:/.test(target))
    .map(target => {
      const [path = '', anchor] = target.split('#')
      return { target, path: path === '' ? file : normalize(`${dirname(file)}/${path}`), anchor }
    })
}

/** The anchors of a Markdown file's headings, as GitHub makes them. */
export function headingAnchors(file: string): string[] {
  const text = readFileSync(file, 'utf8').replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '')
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
