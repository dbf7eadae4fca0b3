// Draws the rows of an invoice's table. Arguments: documents of each size, then the sizes. Prints microseconds as JSON.
const PDFDocument = require('pdfkit');

const OPERATORS = ['AWCC', 'Roshan', 'MTN', 'Etisalat', 'Salaam'];
const COLUMNS = [[116, 'left'], [92, 'left'], [64, 'right'], [70, 'right'], [70, 'right'], [92, 'right']];
const WARM_UP = 60;

const grouped = (number) => number.toString().replace(/\B(?=(\d{3})+$)/g, ',');

function rows(count, turn) {
  return Array.from({ length: count }, (_, i) => {
    const [price, messages, segments] = [9000 + i * 137, 1000 + i * i * 9377 + turn, 1200 + i * i * 10411 + turn];
    const cents = Math.round((price * segments) / 10000);
    return [
      OPERATORS[i % 5], i % 2 ? 'MO, per message' : 'MT, per segment', (price / 1e6).toFixed(6),
      grouped(messages), grouped(segments), grouped(Math.floor(cents / 100)) + '.' + String(cents % 100).padStart(2, '0'),
    ];
  });
}

function draw(lines) {
  return new Promise((resolve) => {
    const document = new PDFDocument({ size: 'A4', margin: 45 });
    let bytes = 0;
    document.on('data', (chunk) => { bytes += chunk.length; });
    document.on('end', () => resolve(bytes));
    document.fontSize(8.5);
    let y = 60;
    for (const cells of lines) {
      if (y > 770) {
        document.addPage();
        y = 60;
      }
      let x = 45;
      cells.forEach((cell, i) => {
        const [width, align] = COLUMNS[i];
        document.text(cell, x, y, { width, align, lineBreak: false });
        x += width;
      });
      y += 16;
    }
    document.end();
  });
}

async function main() {
  const [documents, ...sizes] = process.argv.slice(2).map(Number);
  for (const size of sizes) {
    const us = [];
    for (let turn = 0; turn < WARM_UP + documents; turn++) {
      const lines = rows(size, turn);
      const begun = process.hrtime.bigint();
      await draw(lines);
      const took = process.hrtime.bigint() - begun;
      if (turn >= WARM_UP) us.push(Number(took / 1000n));
    }
    console.log(JSON.stringify({ rows: size, us }));
  }
}

main();
