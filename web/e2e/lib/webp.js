/**
 * Turns a picture into WebP, which the browser can.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {Buffer} png
 */
export async function webp(browser, png) {
  const page = await browser.newPage();
  const url = await page.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
    canvas.getContext('2d')?.drawImage(image, 0, 0);
    return canvas.toDataURL('image/webp', 0.86);
  }, png.toString('base64'));
  await page.close();
  return Buffer.from(url.split(',')[1] ?? '', 'base64');
}
