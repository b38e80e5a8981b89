/** True for a path that is `folder` or below it. Both are absolute and resolved. */
export function isInside(path: string, folder: string): boolean {
  return folder === "/" || `${path}/`.startsWith(`${folder}/`);
}
